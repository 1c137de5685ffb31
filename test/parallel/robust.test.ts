/** The real command and the real runtime under kills, failing workers, full disks and damaged checkpoints. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { check } from "../../src/checker/index.js";
import { nodeHost } from "../../src/cli/host.js";
import { bundledHardware } from "../../src/hardware/index.js";
import { buildModel } from "../../src/model/index.js";
import { parse } from "../../src/parser/index.js";
import { plan as makePlan } from "../../src/planner/index.js";
import { readMetrics } from "../../src/runtime/metrics/index.js";
import { runPlan } from "../../src/runtime/train/index.js";
import type { RunEvent } from "../../src/runtime/types.js";
import { program } from "../built.js";
import { buildWorker } from "./helpers.js";

const root = mkdtempSync(path.join(tmpdir(), "llmp-robust-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const steps = 24;
const source = (parallel: string): string => `
tokenizer letters { kind = bytes }
dataset corpus { source = "corpus.txt", format = text }
model small { architecture = llama, layers = 2, hidden = 32, heads = 4, kv_heads = 2, ffn = 64, vocab = 320, context_length = 32 }
train base {
  objective = pretrain, model = small, data = corpus, steps = ${steps}, batch = 8 sequences, precision = fp32
  optimizer = adamw { lr = 1e-3 }
  parallel = { ${parallel} }
  save = every 2 steps
  seed = 3
}
`;
const two = "data = 2, shard = zero1, tensor = 1, pipeline = 1, context = 1, micro_batch = 1";

function project(name: string, parallel = two): string {
  const cwd = path.join(root, name);
  mkdirSync(cwd);
  writeFileSync(
    path.join(cwd, "corpus.txt"),
    "So shaken as we are, so wan with care, find we a time to pant. ".repeat(80),
  );
  writeFileSync(path.join(cwd, "main.llmp"), source(parallel));
  return cwd;
}
const stageOf = (cwd: string): string => path.join(cwd, "runs/main/base");
const finalOf = (cwd: string): Buffer => readFileSync(path.join(stageOf(cwd), "final/model.safetensors"));
const saves = (cwd: string): readonly string[] => {
  const at = path.join(stageOf(cwd), "checkpoints");
  return existsSync(at) ? readdirSync(at) : [];
};
const newest = (cwd: string): number =>
  Math.max(0, ...saves(cwd).map((name) => Number(/^step-(\d+)$/.exec(name)?.[1] ?? 0)));

interface Ended {
  readonly code: number | null;
  readonly err: string;
}

/** `llmp run`, in a shell that a limit may be set in. */
function start(cwd: string, args: readonly string[], before = ""): { child: ChildProcess; ended: Promise<Ended> } {
  const command = `${before} exec "$0" "$@"`;
  const child = spawn("bash", ["-c", command, process.execPath, program, "run", ...args], {
    cwd,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let err = "";
  child.stderr?.on("data", (text) => {
    err += text;
  });
  const ended = new Promise<Ended>((resolve) => child.once("exit", (code) => resolve({ code, err })));
  return { child, ended };
}
const llmpRun = (cwd: string, ...args: string[]): Promise<Ended> => start(cwd, args).ended;

const undisturbed = (async () => {
  const cwd = project("undisturbed");
  const { code, err } = await llmpRun(cwd);
  if (code !== 0) throw new Error(err);
  return { cwd, final: finalOf(cwd) };
})();

describe("llmp run on two workers", () => {
  it("killed again and again, also within saves, ends with the undisturbed run's weights to the bit", async () => {
    const { final } = await undisturbed;
    const cwd = project("killed");
    let within = 0;
    for (let round = 0; round < 3; round++) {
      const { child, ended } = start(cwd, round === 0 ? [] : ["--resume"]);
      const target = 2 + 4 * round + 2 * Math.floor(Math.random() * 2);
      let over = false;
      void ended.then(() => {
        over = true;
      });
      // Every other time in the middle of a save, else after so many milliseconds.
      const partial = (): boolean => saves(cwd).some((name) => name.endsWith(".partial"));
      while (!over && !(newest(cwd) >= target && (round % 2 === 0 || partial())))
        await new Promise((done) => setTimeout(done, 1));
      if (round % 2 === 0) await new Promise((done) => setTimeout(done, Math.random() * 60));
      child.kill("SIGKILL");
      await ended;
      if (partial()) within++;
    }
    expect((await llmpRun(cwd, "--resume")).code).toBe(0);
    expect(finalOf(cwd).equals(final)).toBe(true);
    expect(within).toBeGreaterThan(0);
    const metrics = readMetrics(path.join(stageOf(cwd), "metrics.jsonl"));
    expect(metrics.map((m) => m.step)).toEqual(Array.from({ length: steps }, (_, i) => i + 1));
  });

  it("does not go on from the checkpoints of an earlier run when it starts anew", async () => {
    const { final } = await undisturbed;
    const cwd = project("anew");
    expect((await llmpRun(cwd, "--steps", "6")).code).toBe(0);
    const { child, ended } = start(cwd, []);
    while (newest(cwd) !== 2 && child.exitCode === null) await new Promise((done) => setTimeout(done, 1));
    child.kill("SIGKILL");
    await ended;
    expect(newest(cwd)).toBeLessThan(6);
    expect((await llmpRun(cwd, "--resume")).code).toBe(0);
    expect(finalOf(cwd).equals(final)).toBe(true);
  });

  it("LLMP6303, LLMP6302: a save that the disk cannot take keeps the last one; a damaged one is passed over", async () => {
    const { final } = await undisturbed;
    const cwd = project("full");
    expect((await llmpRun(cwd, "--steps", "6")).code).toBe(0);
    // No file above 64 KiB: a checkpoint fails while it is written.
    const { code, err } = await start(cwd, ["--resume"], "trap '' XFSZ; ulimit -f 64;").ended;
    expect(err).toContain("LLMP6303");
    expect(err).toContain("step-6 is still whole");
    expect(code).toBe(3);
    expect(saves(cwd).every((name) => /^step-\d+$/.test(name))).toBe(true);
    // And that one is damaged: back to the one before.
    const file = path.join(stageOf(cwd), "checkpoints/step-6/state.safetensors");
    const bytes = readFileSync(file);
    bytes[bytes.length - 100]! ^= 1;
    writeFileSync(file, bytes);
    const again = await llmpRun(cwd, "--resume");
    expect(again.err).toContain("LLMP6302");
    expect(again.err).toContain("from step 4");
    expect(again.code).toBe(0);
    expect(finalOf(cwd).equals(final)).toBe(true);
  });

  it("LLMP6007: a disk that takes nothing at all", async () => {
    const cwd = project("nothing");
    const { code, err } = await start(cwd, [], "trap '' XFSZ; ulimit -f 1;").ended;
    expect(err).toContain("LLMP6007");
    expect(code).toBe(3);
  });

  it("LLMP6004: a loss that is no number ends the run and leaves the last good checkpoint", async () => {
    const cwd = project("diverged");
    const text = source(two).replace("lr = 1e-3", "lr = 1e18").replace("every 2 steps", "every 1 steps");
    writeFileSync(path.join(cwd, "main.llmp"), text);
    const { code, err } = await llmpRun(cwd);
    expect(err).toContain("LLMP6004");
    expect(code).toBe(3);
    expect(newest(cwd)).toBeGreaterThan(0);
    expect(saves(cwd).every((name) => /^step-\d+$/.test(name))).toBe(true);
  });
});

/** A file system of one's own, so small that it fills up; only root may have one. */
function smallDisk(name: string, bytes: number): { readonly at: string; readonly gone: () => void } | undefined {
  const at = path.join(root, name);
  mkdirSync(at);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", at], { stdio: "ignore" });
  } catch {
    return undefined;
  }
  return { at, gone: () => execFileSync("umount", [at]) };
}

describe("a disk that is really full", () => {
  const disk = smallDisk("disk", 8 * 2 ** 20);
  if (disk === undefined) console.warn("a full disk is not tested: a tmpfs cannot be mounted here");
  afterAll(() => disk?.gone());

  it.skipIf(disk === undefined)(
    "LLMP6303: keeps the last checkpoint, and goes on when there is room again",
    async () => {
      const { final } = await undisturbed;
      const cwd = project("disk/run");
      expect((await llmpRun(cwd, "--steps", "6")).code).toBe(0);
      // Room for metrics, not for a checkpoint.
      const ballast = path.join(disk!.at, "ballast");
      const left = statfsSync(disk!.at);
      writeFileSync(ballast, new Uint8Array((left.bavail - 16) * left.bsize));
      const { code, err } = await llmpRun(cwd, "--resume");
      expect(err).toMatch(/LLMP6303.*it needs \d+ KiB and the disk has \d+ KiB left/);
      expect(err).toContain("step-6 is still whole");
      expect(code).toBe(3);
      expect(saves(cwd).every((name) => /^step-\d+$/.test(name))).toBe(true);
      rmSync(ballast);
      const again = await llmpRun(cwd, "--resume");
      expect(again.err).toContain("from step 6");
      expect(again.code).toBe(0);
      expect(finalOf(cwd).equals(final)).toBe(true);
    },
  );
});

describe("a worker among four", () => {
  const failing = buildWorker("failing-worker.ts");
  afterAll(failing.remove);

  async function run(cwd: string, resume = false): Promise<readonly RunEvent[]> {
    const { value: ast } = parse({
      path: path.join(cwd, "main.llmp"),
      text: readFileSync(path.join(cwd, "main.llmp"), "utf8"),
    });
    const { value: pipeline } = check(ast, nodeHost(), {});
    const { value: plan } = makePlan(pipeline!, bundledHardware());
    const events: RunEvent[] = [];
    const options = { root: cwd, folder: path.join(cwd, "runs/main"), workerFile: failing.file, resume };
    for await (const event of runPlan(plan!, options, { buildModel })) events.push(event);
    return events;
  }

  it("LLMP6006: dies in the middle of a step; all start again from the last checkpoint, with the same weights", async () => {
    const four = "data = 2, shard = zero3, tensor = 2, pipeline = 1, context = 1, micro_batch = 1";
    const whole = project("four", four);
    await run(whole);
    const broken = project("four-broken", four);
    const marker = path.join(root, "kill");
    writeFileSync(marker, "");
    process.env.LLMP_TEST_KILL = marker;
    const events = await run(broken);
    expect(existsSync(marker)).toBe(false);
    expect(events.filter((e) => e.kind === "message").map((e) => e.text)).toEqual([
      expect.stringContaining("LLMP6006"),
    ]);
    expect(events.flatMap((e) => (e.kind === "stage" ? [e.startStep] : []))).toEqual([0, 4]);
    expect(finalOf(broken).equals(finalOf(whole))).toBe(true);
    const metrics = readMetrics(path.join(stageOf(broken), "metrics.jsonl"));
    expect(metrics.map((m) => m.step)).toEqual(Array.from({ length: steps }, (_, i) => i + 1));
  });

  it("LLMP6001: has no memory left; the run says so, and its last checkpoint stays", async () => {
    const cwd = project("heap");
    const marker = path.join(root, "heap.kill");
    writeFileSync(marker, "heap");
    process.env.LLMP_TEST_KILL = marker;
    await expect(run(cwd)).rejects.toThrow(/LLMP6001: the WASM heap/);
    expect(newest(cwd)).toBe(4);
    expect(saves(cwd).every((name) => /^step-\d+$/.test(name))).toBe(true);
    // With memory again it goes on, and ends with the weights that it would have had.
    rmSync(marker);
    await run(cwd, true);
    expect(finalOf(cwd).equals((await undisturbed).final)).toBe(true);
  });

  it("LLMP6005: dies every time; the run ends, its checkpoints stay", async () => {
    const cwd = project("always");
    const marker = path.join(root, "always.kill");
    writeFileSync(marker, "always");
    process.env.LLMP_TEST_KILL = marker;
    // Each attempt gets a little further: the fourth is the last.
    await expect(run(cwd)).rejects.toThrow(/LLMP6005/);
    expect(newest(cwd)).toBeGreaterThan(0);
    expect(newest(cwd)).toBeLessThan(steps);
  });
});
