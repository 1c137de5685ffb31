/** `llmp runs`, `logs`, `stop`, `export` on run folders as a run leaves them. */
import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { command as exportCommand } from "../../src/cli/commands/export.js";
import { command as logsCommand } from "../../src/cli/commands/logs.js";
import { command as runsCommand } from "../../src/cli/commands/runs.js";
import { command as stopCommand } from "../../src/cli/commands/stop.js";
import { openMetrics } from "../../src/runtime/metrics/index.js";
import { openWeights } from "../../src/runtime/weights/index.js";

let said = "";
let cwd = "";
const root = () => {
  const folder = mkdtempSync(join(tmpdir(), "llmp-runs-"));
  process.chdir(folder);
  return folder;
};

vi.mock("node:fs", async (original) => {
  const fs = await original<typeof import("node:fs")>();
  return {
    ...fs,
    // What commands print goes to the two standard streams by number.
    writeSync: (fd: number, data: Uint8Array, ...rest: number[]) => {
      if (fd > 2) return (fs.writeSync as (...a: unknown[]) => number)(fd, data, ...rest);
      said += Buffer.from(data).toString("utf8");
      return data.length;
    },
  };
});

beforeEach(() => {
  cwd = process.cwd();
  said = "";
});
afterEach(() => process.chdir(cwd));

async function run(make: () => Command, ...args: string[]): Promise<string> {
  said = "";
  await make().exitOverride().parseAsync(args, { from: "user" });
  return said;
}

async function finished(folder: string): Promise<string> {
  const at = join(folder, "examples", "runs", "demo");
  const sink = openMetrics(at);
  sink.event({
    kind: "stage",
    stage: "base",
    backend: "wasm",
    steps: 30,
    startStep: 0,
    predicted: { peakBytes: 1, stepSeconds: 1 },
  });
  for (let step = 0; step < 30; step++)
    sink.step("base", {
      step,
      loss: 5 - step / 10,
      tokens: 64 * step,
      tokens_per_second: 1000,
      step_seconds: 0.1,
      peak_bytes: 1e6,
      lr: 1e-3,
      grad_norm: 1,
    });
  const measured = { peak_bytes: 1e6, step_seconds: 0.1, tokens_per_second: 1000 };
  await sink.summary({
    stages: [
      {
        name: "base",
        backend: "wasm",
        predicted: { peak_bytes: 1.02e6, step_seconds: 0.11 },
        measured,
        first_loss: 5,
        final_loss: 2.1,
        steps: 30,
      },
    ],
  });
  await sink.close();
  cpSync(join(import.meta.dirname, "..", "weights", "fixtures", "llama2"), join(at, "base", "final"), {
    recursive: true,
  });
  writeFileSync(
    join(at, "run.json"),
    JSON.stringify({
      schema: "llmp.run/1",
      name: "demo",
      pid: 1,
      host: "elsewhere",
      started: "2026-01-02T03:04:05Z",
      status: "done",
    }),
  );
  return at;
}

test("runs and logs", async () => {
  await finished(root());
  expect(await run(runsCommand)).toMatch(/run +status[\s\S]*demo +done +base +29 +2\.1/);
  expect(JSON.parse(await run(runsCommand, "demo", "--json"))).toMatchObject({
    name: "demo",
    status: "done",
    summary: { stages: [{ final_loss: 2.1 }] },
  });
  expect(await run(runsCommand, "demo")).toMatch(/base +wasm +30 +5 → 2\.1[\s\S]*10%/);
  const lines = (await run(logsCommand, "-n", "2", "--json")).trim().split("\n");
  expect(lines.map((l) => JSON.parse(l).step)).toEqual([28, 29]);
  expect((await run(logsCommand, "demo", "--lines", "all")).trim().split("\n")).toHaveLength(30);
  await expect(run(logsCommand, "dmo")).rejects.toThrow();
  expect(said).toMatch(/LLMP6401[\s\S]*did you mean demo/);
  await expect(run(logsCommand, "demo", "--stage", "no")).rejects.toThrow(/no stage no/);
});

test("export writes what was asked for, and never over something else", async () => {
  const at = await finished(root());
  await run(exportCommand, "demo", "-d", "out", "--dtype", "bf16");
  expect(JSON.parse(readFileSync("out/config.json", "utf8")).dtype).toBe("bfloat16");
  const was = openWeights(join(at, "base", "final"));
  const is = openWeights("out");
  expect(is.names()).toEqual(was.names());
  const name = "model.embed_tokens.weight";
  const [a, b] = [await was.read(name), await is.read(name)];
  for (const [i, value] of (a?.values ?? []).entries())
    expect(Math.abs((b?.values[i] ?? 0) - value)).toBeLessThanOrEqual(Math.abs(value) / 256);
  await expect(run(exportCommand, "demo", "-d", "out")).rejects.toThrow(/not empty/);
  await expect(run(exportCommand, "demo", "-d", "lora", "--adapter")).rejects.toThrow();
  expect(said).toMatch(/LLMP6402/);
  expect(existsSync("lora")).toBe(false);
});

test("stop asks the process to end, and only that process", async () => {
  const folder = join(root(), "runs", "live");
  mkdirSync(folder, { recursive: true });
  const child = spawn(
    process.execPath,
    ["-e", "process.on('SIGTERM',()=>process.exit(0));console.log(1);setInterval(()=>{},1e3)"],
    { stdio: ["ignore", "pipe", "ignore"] },
  );
  await new Promise((done) => child.stdout?.once("data", done));
  const ended = new Promise((done) => child.once("exit", done));
  const record = {
    schema: "llmp.run/1",
    name: "live",
    pid: child.pid,
    host: hostname(),
    started: "2026-01-01T00:00:00Z",
    status: "running",
  };
  writeFileSync(join(folder, "run.json"), JSON.stringify({ ...record, host: "elsewhere" }));
  expect(await run(stopCommand)).toMatch(/not running/);
  expect(child.exitCode).toBeNull();
  writeFileSync(join(folder, "run.json"), JSON.stringify(record));
  const [out] = await Promise.all([run(stopCommand, "live"), ended]);
  expect(out).toMatch(/has ended/);
  expect(child.exitCode).toBe(0);
});
