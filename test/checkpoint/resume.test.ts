import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { folder } from "../data/helpers.js";

const cache = join(import.meta.dirname, "../../node_modules/.cache/llmp-test");
const script = join(cache, `trainer-${process.pid}.mjs`);

beforeAll(async () => {
  mkdirSync(cache, { recursive: true });
  await build({
    entryPoints: [join(import.meta.dirname, "trainer.ts")],
    bundle: true,
    platform: "node",
    format: "esm",
    outfile: script,
    packages: "external",
    logLevel: "silent",
  });
});
afterAll(() => rmSync(script, { force: true }));

interface Ended {
  readonly killed: boolean;
  readonly out: string;
}

/** Runs the trainer; where `kill` says so of the run's folder, kills it. */
function train(root: string, name: string, kill: (folder: string) => boolean): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script, root, name], { stdio: ["ignore", "pipe", "pipe"] });
    let out = "";
    let err = "";
    child.stdout.on("data", (text) => {
      out += text;
    });
    child.stderr.on("data", (text) => {
      err += text;
    });
    const timer = setInterval(() => {
      if (kill(join(root, name))) child.kill("SIGKILL");
    }, 1);
    child.once("exit", (code, signal) => {
      clearInterval(timer);
      if (signal === "SIGKILL") resolve({ killed: true, out });
      else if (code === 0) resolve({ killed: false, out });
      else reject(new Error(`the trainer ended with ${code}: ${err}`));
    });
  });
}

test("kill -9 again and again, also within saves: the final weights are the undisturbed run's to the bit", async () => {
  const root = folder({
    "a.txt": "to be or not to be that is the question ".repeat(40),
    "b.txt": "0123456789".repeat(100),
  });
  await train(root, "whole", () => false);
  const names = (at: string) => (existsSync(join(at, "checkpoints")) ? readdirSync(join(at, "checkpoints")) : []);
  const newest = (at: string) => Math.max(0, ...names(at).map((n) => Number(/^step-(\d+)$/.exec(n)?.[1] ?? 0)));
  const starts: string[] = [];
  let saves = 0;
  for (let round = 0; round < 4; round++) {
    const target = 8 + round * 12;
    const { killed, out } = await train(root, "broken", (at) => {
      if (newest(at) < target) return false;
      // Every other time in the middle of a save.
      return round % 2 === 0 || names(at).some((n) => n.endsWith(".partial"));
    });
    if (killed && names(join(root, "broken")).some((n) => n.endsWith(".partial"))) saves++;
    starts.push(out.trim());
  }
  const last = await train(root, "broken", () => false);
  starts.push(last.out.trim());
  expect(last.killed).toBe(false);
  // It did go on from where it was, every time further.
  expect(starts[0]).toBe("from 0");
  const numbers = starts.map((s) => Number(s.replace("from ", "")));
  expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
  expect(new Set(numbers).size).toBeGreaterThan(3);
  expect(saves).toBeGreaterThan(0);
  const final = (name: string) => readFileSync(join(root, name, "final", "model.safetensors"));
  expect(final("broken").equals(final("whole"))).toBe(true);
});
