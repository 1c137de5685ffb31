import { type ChildProcess, spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { describe, expect, test } from "vitest";
import { checkpointSteps, loadLatest, saveCheckpoint } from "../../src/runtime/checkpoint/index.js";
import { stateOf } from "./state.js";

const temporary = () => mkdtempSync(join(tmpdir(), "llmp-checkpoint-"));
const at = (folder: string, more = {}) => ({ folder, planHash: "plan", keep: 3, ...more });

describe("save and load", () => {
  test("gives back every bit, keeps the newest", () => {
    const folder = join(temporary(), "checkpoints");
    expect(loadLatest(at(folder))).toBeUndefined();
    const strange = stateOf(1);
    const values = (strange.tensors[0] as { values: Float32Array }).values;
    values.set([Number.NaN, -0, Number.POSITIVE_INFINITY, 1e-45]);
    saveCheckpoint(at(folder), strange);
    const back = loadLatest(at(folder));
    expect(back).toEqual(strange);
    const returned = back?.tensors[0]?.values ?? new Float32Array();
    expect(new Uint32Array(returned.buffer)).toEqual(new Uint32Array(values.buffer));
    for (const step of [2, 3, 10]) saveCheckpoint(at(folder), stateOf(step));
    expect(checkpointSteps(folder)).toEqual([10, 3, 2]);
    expect(loadLatest(at(folder))).toEqual(stateOf(10));
  });

  test("of another plan: refused by name", () => {
    const folder = temporary();
    saveCheckpoint(at(folder), stateOf(1));
    expect(() => loadLatest(at(folder, { planHash: "other" }))).toThrow(/LLMP6304/);
  });
});

describe("damage", () => {
  const ways: [string, (checkpoint: string) => void][] = [
    ["a flipped bit", (c) => flip(join(c, "state.safetensors"), 5000)],
    ["a flipped bit of the manifest", (c) => flip(join(c, "manifest.json"), 120)],
    ["a cut file", (c) => truncateSync(join(c, "state.safetensors"), 1000)],
    ["a missing file", (c) => rmSync(join(c, "state.safetensors"))],
    ["a missing manifest", (c) => rmSync(join(c, "manifest.json"))],
    ["an empty manifest", (c) => truncateSync(join(c, "manifest.json"), 0)],
  ];
  function flip(path: string, byte: number) {
    const bytes = readFileSync(path);
    bytes[byte] = (bytes[byte] ?? 0) ^ 1;
    writeFileSync(path, bytes);
  }

  test.each(ways)("%s: told, and the one before is used", (_, damage) => {
    const folder = temporary();
    for (const step of [1, 2]) saveCheckpoint(at(folder), stateOf(step, 1000));
    damage(join(folder, "step-2"));
    const told: string[] = [];
    expect(
      loadLatest(
        at(folder, { onDiagnostic: (d: { code: string; message: string }) => told.push(`${d.code} ${d.message}`) }),
      ),
    ).toEqual(stateOf(1, 1000));
    expect(told).toHaveLength(1);
    expect(told[0]).toMatch(/LLMP6302.*step-2 is damaged.*going back to step-1/);
  });

  test("nothing whole left: an error, not a silent fresh start", () => {
    const folder = temporary();
    saveCheckpoint(at(folder), stateOf(1, 1000));
    rmSync(join(folder, "step-1", "manifest.json"));
    expect(() => loadLatest(at(folder))).toThrow(/LLMP6301/);
  });
});

test("no room on the disk: a message, and the last one stays", () => {
  const folder = temporary();
  saveCheckpoint(at(folder), stateOf(1, 1000));
  const blocked = join(folder, `.step-2.${process.pid}.partial`);
  // More bytes than any disk has free.
  const state = stateOf(2, 1000);
  const tensors = [{ name: "x", shape: [2 ** 40], values: { byteLength: 2 ** 60 } as unknown as Float32Array }];
  expect(() => saveCheckpoint(at(folder), { ...state, tensors })).toThrow(
    /LLMP6303.*the disk has .* left; step-1 is still whole/,
  );
  expect(existsSync(blocked)).toBe(false);
  expect(loadLatest(at(folder))).toEqual(stateOf(1, 1000));
});

test("kill -9 at random moments, also in the middle of a save: what was reported as saved can be loaded", async () => {
  const root = temporary();
  const script = join(root, "saver.mjs");
  await build({
    entryPoints: [join(import.meta.dirname, "saver.ts")],
    bundle: true,
    platform: "node",
    format: "esm",
    outfile: script,
    packages: "external",
    logLevel: "silent",
  });
  // Packages are found from the checkout.
  const local = join(import.meta.dirname, "..", "..", "node_modules", ".cache", "llmp-test");
  mkdirSync(local, { recursive: true });
  const runnable = join(local, `saver-${process.pid}.mjs`);
  writeFileSync(runnable, readFileSync(script));
  const folder = join(root, "checkpoints");
  const log = join(root, "log");
  writeFileSync(log, "");
  const unfinished = () => readdirSync(folder).some((name) => name.endsWith(".partial"));
  let partial = 0;
  let first = 1;
  for (let round = 0; round < 8; round++) {
    const child = spawn(process.execPath, [runnable, folder, log, String(first)], { stdio: "ignore" });
    await waitForSave(child, log, first);
    await new Promise((done) => setTimeout(done, (round * 7) % 23));
    // Every other kill waits for a save to be under way.
    while (round % 2 === 1 && !unfinished()) await new Promise((done) => setImmediate(done));
    child.kill("SIGKILL");
    await new Promise((done) => child.once("exit", done));
    const reported = Math.max(...readFileSync(log, "utf8").trim().split("\n").map(Number));
    const state = loadLatest(at(folder));
    // The save after the last report may have been finished too.
    expect([reported, reported + 1]).toContain(state?.step);
    expect(state).toEqual(stateOf(state?.step ?? 0));
    if (unfinished()) partial++;
    first = (state?.step ?? 0) + 1;
  }
  rmSync(runnable);
  // Otherwise no kill came in the middle of a save, and the test shows nothing.
  expect(partial).toBeGreaterThan(0);
});

async function waitForSave(child: ChildProcess, log: string, step: number): Promise<void> {
  while (!readFileSync(log, "utf8").includes(`${step}\n`)) {
    if (child.exitCode !== null) throw new Error(`the child ended with ${child.exitCode}`);
    await new Promise((done) => setTimeout(done, 2));
  }
}
