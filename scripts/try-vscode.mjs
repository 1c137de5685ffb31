/**
 * The extension in a running VS Code, looked at: `npm run vsix && node scripts/try-vscode.mjs CODE_SERVER [folder for pictures]`.
 * CODE_SERVER is code-server's `out/node/entry.js` (`npm install code-server` in a folder of its own). Needs Chromium. Not in CI.
 */
import { spawn, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { chromium } from "playwright-core";

const [entry, pictures = ".cache/vscode"] = process.argv.slice(2);
if (entry === undefined) throw new Error("which code-server? its out/node/entry.js");
const root = process.cwd();
const folder = mkdtempSync(path.join(tmpdir(), "llmp-vscode-"));
const at = (...parts) => path.join(folder, ...parts);
mkdirSync(pictures, { recursive: true });
for (const d of ["work/.vscode", "data/User", "extensions"]) mkdirSync(at(d), { recursive: true });
copyFileSync("examples/llama3-8b-domain.llmp", at("work/main.llmp"));
writeFileSync(at("config.yaml"), "");
writeFileSync(
  at("data/User/settings.json"),
  JSON.stringify({
    "llmp.server.command": ["node", path.join(root, "dist/llmp.js"), "lsp"],
    "security.workspace.trust.enabled": false,
    "workbench.startupEditor": "none",
    "telemetry.telemetryLevel": "off",
    "workbench.tips.enabled": false,
    "editor.fontSize": 13,
  }),
);

const port = 18_000 + (process.pid % 1000);
const common = ["--user-data-dir", at("data"), "--extensions-dir", at("extensions"), "--config", at("config.yaml")];
const vsix = readdirSync("editors/vscode").find((f) => f.endsWith(".vsix"));
if (vsix === undefined) throw new Error("npm run vsix first");
const installed = spawnSync(process.execPath, [entry, ...common, "--install-extension", `editors/vscode/${vsix}`]);
if (installed.status !== 0) throw new Error(String(installed.stderr));
const address = `127.0.0.1:${port}`;
const server = spawn(
  process.execPath,
  [
    entry,
    ...common,
    "--auth",
    "none",
    "--bind-addr",
    address,
    "--disable-telemetry",
    "--disable-update-check",
    at("work"),
  ],
  { stdio: "ignore" },
);

const results = [];
const seen = (what, found) => {
  results.push(found);
  console.log(`${found ? "ok  " : "MISS"} ${what}`);
};
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});
try {
  const page = await browser.newPage({ viewport: { width: 1360, height: 860 } });
  const payload = encodeURIComponent(
    JSON.stringify([["openFile", `vscode-remote://${address}${at("work/main.llmp")}`]]),
  );
  for (let i = 0; i < 60; i++) {
    if (
      await page.goto(`http://${address}/?folder=${at("work")}&payload=${payload}`).then(
        () => true,
        () => false,
      )
    )
      break;
    await new Promise((done) => setTimeout(done, 500));
  }
  const shoot = (name) => page.screenshot({ path: path.join(pictures, `${name}.png`) });
  const wait = (selector, options = {}) =>
    page.waitForSelector(selector, { timeout: 40_000, ...options }).then(
      () => true,
      () => false,
    );
  const text = async (selector) => (await page.locator(selector).allInnerTexts()).join(" ").replace(/\u00a0/g, " ");
  /** Waits until a word is there. */
  const says = async (selector, word, seconds = 20) => {
    for (let i = 0; i < seconds * 4; i++) {
      if (word.test(await text(selector).catch(() => ""))) return true;
      await page.waitForTimeout(250);
    }
    return false;
  };
  /** A command by its name in the palette. */
  const command = async (name) => {
    await page.keyboard.press("F1");
    await page.waitForSelector(".quick-input-widget input");
    await page.keyboard.type(name);
    await page.waitForTimeout(800);
    await page.keyboard.press("Enter");
    await page.waitForTimeout(500);
  };

  await wait(".monaco-workbench");
  seen("the file opens", await wait(".view-lines .view-line"));
  seen("language: llmp", await says(".statusbar", /llmp/i));
  const colours = () =>
    page.$$eval(".view-lines span[class*=mtk]", (spans) => new Set(spans.map((s) => getComputedStyle(s).color)).size);
  for (let i = 0; i < 40 && (await colours()) < 4; i++) await page.waitForTimeout(250);
  seen(`highlighting: ${await colours()} colours`, (await colours()) >= 4);
  seen("code lens with the plan", await says(".codelens-decoration", /GiB.*\$/));
  await shoot("1-opened");
  console.log(`     ${await text(".codelens-decoration")}`);

  const goTo = async (line, column) => {
    await page.keyboard.press("Control+G");
    await page.waitForSelector(".quick-input-widget input");
    await page.keyboard.type(`${line}:${column}`);
    await page.waitForTimeout(300);
    await page.keyboard.press("Enter");
    await page.waitForTimeout(300);
  };
  const lines = (await import("node:fs")).readFileSync(at("work/main.llmp"), "utf8").split("\n");
  const lineOf = (word) => lines.findIndex((l) => word.test(l)) + 1;

  await goTo(lineOf(/parallel\s*=/), 6);
  seen("inlay hint of a decision", await says(".view-lines", /TP|DP|FSDP|data \d|shard/));
  await shoot("2-inlay");
  await command("Show or Focus Hover");
  seen("hover", await says(".monaco-hover", /parallel/i));
  await shoot("3-hover");
  await page.keyboard.press("Escape");

  await goTo(lineOf(/parallel\s*=/), 200);
  await page.keyboard.press("Enter");
  await page.keyboard.type("off", { delay: 60 });
  seen("completion of a key", await says(".suggest-widget", /offload/));
  await page.waitForTimeout(800);
  await shoot("4-completion");
  await page.keyboard.press("Escape");
  await page.keyboard.type("laod = none", { delay: 20 });
  seen("diagnostics", await wait(".squiggly-error"));
  await command("View: Toggle Problems");
  seen("the problem is told", await says(".markers-panel, .panel", /offlaod/));
  await shoot("5-problem");
  await command("View: Toggle Problems");
  await page.click(".view-lines");
  await goTo(lineOf(/parallel\s*=/) + 1, 6);
  await page.keyboard.press("Control+.");
  seen("quick fix", await says(".action-widget", /offload/));
  await shoot("6-fix");
  await page.keyboard.press("Enter");
  await page.waitForTimeout(1500);
  await command("Format Document");
  await page.waitForTimeout(1500);
  await page.keyboard.press("Control+S");
  await page.waitForTimeout(1500);
  const saved = (await import("node:fs")).readFileSync(at("work/main.llmp"), "utf8");
  seen("fixed, formatted and saved", /\n {2}offload\s*=\s*none/.test(saved));
  await command("llmp: Show the plan beside");
  const panel = await wait("iframe.webview");
  // The page is two frames deep: VS Code's, then the document.
  let told = "";
  for (let i = 0; i < 60 && !/peak/i.test(told); i++) {
    await page.waitForTimeout(500);
    for (const frame of page.frames())
      told += await frame.evaluate(() => document.body?.textContent ?? "").catch(() => "");
  }
  seen("the plan beside", panel && /peak/i.test(told));
  await shoot("7-plan");
} finally {
  await browser.close();
  server.kill();
  await new Promise((done) => setTimeout(done, 500));
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 300 });
}
process.exitCode = results.every(Boolean) ? 0 : 1;
