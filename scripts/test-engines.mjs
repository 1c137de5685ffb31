/**
 * `npm run test:engines` where it can: the tests install Python packages, so they need Python 3.10 or newer with venv, and a
 * package index. Elsewhere it says why they are left out, and ends well. `node scripts/test-engines.mjs [vitest's arguments]`
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const run = (command, args, options = {}) => spawnSync(command, args, { encoding: "utf8", ...options });

/** Why the tests cannot run here; undefined: they can. */
function obstacle() {
  const code = "import ensurepip, sys, venv; sys.exit(0 if sys.version_info >= (3, 10) else 1)";
  if (run("python3", ["-c", code]).status !== 0) return "there is no Python 3.10 or newer with venv (python3)";
  const folder = mkdtempSync(path.join(tmpdir(), "llmp-index-"));
  // A tiny package, once: a closed network must not cost minutes of retries.
  const args = ["-m", "pip", "download", "-q", "--no-deps", "--no-cache-dir", "--retries", "0", "--timeout", "10"];
  const { status, stderr } = run("python3", [...args, "-d", folder, "iniconfig==2.1.0"], { timeout: 60_000 });
  rmSync(folder, { recursive: true, force: true });
  if (status === 0) return undefined;
  const line = (stderr ?? "").trim().split("\n").at(-1)?.slice(0, 200);
  return `the Python package index is not reachable (${line === undefined || line === "" ? "no answer" : line})`;
}

const why = obstacle();
if (why === undefined) {
  const root = path.dirname(import.meta.dirname);
  const vitest = path.join(root, "node_modules", "vitest", "vitest.mjs");
  const args = [vitest, "run", "--config", "vitest.engines.config.ts", ...process.argv.slice(2)];
  // A first installation of torch is two minutes of work: where it is much more, the rest must still be tested in time.
  const env = { LLMP_INSTALL_SECONDS: "360", ...process.env };
  process.exitCode = run(process.execPath, args, { cwd: root, stdio: "inherit", env }).status ?? 1;
} else {
  console.log(`SKIPPED: tests with the real engines and the AWS mock: ${why}.`);
  console.log("Everything else is tested. `npm run test:engines` runs them where both are there.");
}
