/** `llmp studio` as it runs: a process, HTTP, and a browser. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { networkInterfaces, tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chromiumPath, launch, shoot } from "../browser.js";
import { program } from "../built.js";

const text = (count: number, more = ""): string => `import "std/gpt2"
dataset d { source = "s3://corpus/*.parquet", field = "text", tokens = 10B }
cluster c { provider = sagemaker, instance = ml.p5.48xlarge, count = ${count}, region = "us-east-1" }
train base {
  objective = pretrain
  model     = gpt2
  data      = d
  tokens    = 1B
  batch     = 512 sequences
  parallel  = { tensor = 1, pipeline = 1 }
  on        = c
  save      = every 1h
  ${more}
}
`;

const folder = mkdtempSync(path.join(tmpdir(), "llmp-studio-"));
const file = path.join(folder, "main.llmp");
let child: ChildProcess;
let url: URL;
let stderr = "";

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/** Not \`fetch\`: it sets headers of its own, and may not set Host. */
const ask = (target: string, headers: Record<string, string> = {}, method = "GET"): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const { pathname, search, port } = new URL(target, url);
    const r = request({ host: "127.0.0.1", port, path: pathname + search, method, headers }, (response) => {
      let body = "";
      response.on("data", (d: Buffer) => {
        body += d.toString();
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body, headers: response.headers }));
    });
    r.on("error", reject);
    r.end();
  });
const cookie = (): Record<string, string> => ({
  cookie: `llmp_studio_${url.port}=${url.searchParams.get("token") ?? ""}`,
});
async function until(test: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 40_000;
  while (!(await test())) {
    if (Date.now() > end) throw new Error(`waited in vain; ${stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 80));
  }
}
const page = async (): Promise<string> => (await ask("/", cookie())).body;

beforeAll(async () => {
  writeFileSync(file, text(1));
  child = spawn(process.execPath, [program, "studio", "main.llmp"], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  child.stderr?.on("data", (d: Buffer) => {
    stderr += d.toString();
  });
  url = await new Promise<URL>((resolve, reject) => {
    child.stdout?.once("data", (d: Buffer) => resolve(new URL(d.toString().trim())));
    child.once("exit", () => reject(new Error(stderr)));
  });
});
afterAll(async () => {
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  expect(await ended).toBe(0);
  rmSync(folder, { recursive: true });
});

describe("who may ask", () => {
  test("the printed address enters, and takes the token out of the address bar", async () => {
    expect(url.hostname).toBe("127.0.0.1");
    const entered = await ask(url.href);
    expect([entered.status, entered.headers.location]).toEqual([303, "/"]);
    expect(String(entered.headers["set-cookie"])).toMatch(/HttpOnly; SameSite=Strict/);
    expect((await ask("/", cookie())).status).toBe(200);
  });

  test.each<[string, string, Record<string, string>, string, number]>([
    ["without a token", "/", {}, "GET", 403],
    ["with a wrong token", "/?token=AAAA", {}, "GET", 403],
    ["with a wrong cookie", "/", { cookie: "llmp_studio_1=x" }, "GET", 403],
    ["events without a token", "/events", {}, "GET", 403],
    ["plan.json without a token", "/plan.json", {}, "GET", 403],
  ])("refused: %s", async (_, target, headers, method, status) => {
    const answer = await ask(target, headers, method);
    expect(answer.status).toBe(status);
    expect(answer.body).not.toContain("base");
  });

  test("refused even with the token: another host name, another origin, another site, a change", async () => {
    const { port } = url;
    const good = cookie();
    for (const host of [`evil.example:${port}`, "127.0.0.1", `[::1]:${port}`, `127.0.0.1.evil.example:${port}`])
      expect((await ask("/", { ...good, host })).status).toBe(421);
    expect((await ask("/", { ...good, origin: "http://evil.example" })).status).toBe(403);
    expect((await ask("/", { ...good, origin: "null" })).status).toBe(403);
    expect((await ask("/", { ...good, "sec-fetch-site": "cross-site" })).status).toBe(403);
    expect((await ask("/", good, "POST")).status).toBe(405);
    expect((await ask("/../../etc/passwd", good)).status).toBe(404);
  });

  test("nothing listens but the loopback interface", async () => {
    const others = Object.values(networkInterfaces())
      .flatMap((list) => list ?? [])
      .filter((a) => a.family === "IPv4" && !a.internal);
    for (const { address } of others)
      await expect(
        new Promise((resolve, reject) => {
          request({ host: address, port: url.port, timeout: 2000 }, resolve).on("error", reject).end();
        }),
      ).rejects.toThrow(/ECONNREFUSED/);
  });

  test("the page allows its own scripts only", async () => {
    const { headers, body } = await ask("/", cookie());
    const policy = String(headers["content-security-policy"]);
    const nonce = /script-src 'nonce-([^']+)'/.exec(policy)?.[1];
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(body.match(/<script/g)?.length).toBe(
      body.match(new RegExp(`<script nonce="${nonce?.replace(/[+/]/g, "\\$&")}"`, "g"))?.length,
    );
    expect((await ask("/", cookie())).headers["content-security-policy"]).not.toBe(policy);
  });
});

test("plans on save; errors are shown over the last plan", async () => {
  await until(async () => (await page()).includes("train base"));
  expect(JSON.parse((await ask("/plan.json", cookie())).body).stages[0].cluster.count).toBe(1);
  writeFileSync(file, text(2));
  await until(async () => /<p>2 × <code>ml\.p5/.test(await page()));
  writeFileSync(file, text(2, "bacth = 3"));
  await until(async () => (await page()).includes("LLMP1002"));
  const broken = await page();
  expect(broken).toContain("bacth");
  expect(broken).toContain('class="stale"');
  expect((await ask("/plan.json", cookie())).status).toBe(404);
});

test.skipIf(chromiumPath === undefined)("in Chromium the page follows the file without a reload", async () => {
  writeFileSync(file, text(1));
  const browser = await launch();
  const tab = await browser.newPage({ viewport: { width: 1000, height: 900 } });
  const wrong: string[] = [];
  tab.on("console", (m) => m.type() === "error" && wrong.push(m.text()));
  tab.on("pageerror", (e) => wrong.push(String(e)));
  await tab.goto(url.href);
  expect(tab.url()).toBe(`http://127.0.0.1:${url.port}/`);
  await tab.locator("text=train base").first().waitFor({ timeout: 40_000 });
  await tab.evaluate("window.same = true");
  writeFileSync(file, text(2, "bacth = 3"));
  await tab.locator("pre", { hasText: "LLMP1002" }).waitFor({ timeout: 40_000 });
  await shoot(tab, "studio-errors");
  writeFileSync(file, text(2));
  await tab.locator("p", { hasText: /^2 × ml\.p5/ }).waitFor({ timeout: 40_000 });
  expect(await tab.locator("pre", { hasText: "LLMP1002" }).count()).toBe(0);
  expect(await tab.evaluate("window.same")).toBe(true);
  // Charts of the new page answer the keyboard too.
  await tab.locator(".chart svg").first().focus();
  await tab.keyboard.press("ArrowRight");
  expect(await tab.locator("#tip").isVisible()).toBe(true);
  expect(wrong).toEqual([]);
  expect(readFileSync(file, "utf8")).toBe(text(2));
  await browser.close();
});
