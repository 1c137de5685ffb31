/** `llmp doctor --fix ENGINE`, with a Python that only writes down what it is asked. The real one: npm run test:engines. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { installableEngines, installEngine } from "../../src/cli/engine/install.js";
import { engineFolder, findPython } from "../../src/cli/engine/python.js";

let root: string;
let env: NodeJS.ProcessEnv;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "llmp-install-"));
  mkdirSync(join(root, "path"));
  env = {
    PATH: `${join(root, "path")}${delimiter}/usr/bin${delimiter}/bin`,
    LLMP_CACHE: join(root, "cache"),
    LOG: join(root, "log"),
  };
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

/** `-m venv --clear DIR` copies this very script to DIR/bin/python. */
function fakePython(pip: string): void {
  const script = `#!/bin/sh
echo "$*" >> "$LOG"
if [ "$1 $2" = "-m venv" ]; then mkdir -p "$4/bin" && cp "$0" "$4/bin/python"; exit; fi
if [ "$1 $2" = "-m pip" ]; then ${pip}; fi
exit 0
`;
  writeFileSync(join(root, "path", "python3"), script, { mode: 0o755 });
}

it("makes the environment where llmp run looks for it, with pinned packages", async () => {
  fakePython("exit 0");
  const said: string[] = [];
  expect(installableEngines).toContain("trl");
  const folder = await installEngine("trl", (line) => said.push(line), env);
  expect(folder).toBe(engineFolder("trl", env));
  expect(await findPython("trl", env)).toBe(join(folder, "bin", "python"));
  const log = readFileSync(join(root, "log"), "utf8");
  expect(log).toMatch(/-m pip install --progress-bar off .*torch==[\d.]+ trl==[\d.]+/);
  expect(log).toContain("-c import trl");
  expect(said.join()).toContain("pip install");
});

it("LLMP5111: says what pip said, and leaves nothing half made", async () => {
  fakePython("echo 'ERROR: No matching distribution found for trl' >&2; exit 1");
  await expect(installEngine("trl", () => undefined, env)).rejects.toThrow(/LLMP5111.*No matching distribution/);
  expect(existsSync(engineFolder("trl", env))).toBe(false);
});

it("LLMP5111: no Python that is new enough", async () => {
  await expect(installEngine("fast_llm", () => undefined, { ...env, PATH: join(root, "path") })).rejects.toThrow(
    /LLMP5111.*Python 3\.12/,
  );
});
