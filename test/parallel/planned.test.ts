/** `data = auto` on this machine: how many workers the planner takes, and that they train what one worker trains. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, it } from "vitest";
import { check } from "../../src/checker/index.js";
import { nodeHost } from "../../src/cli/host.js";
import { bundledHardware } from "../../src/hardware/index.js";
import { buildModel } from "../../src/model/index.js";
import { parse } from "../../src/parser/index.js";
import { plan as makePlan, uncalibrated } from "../../src/planner/index.js";
import type { StagePlan } from "../../src/planner/plan.js";
import type { LocalMachine } from "../../src/planner/types.js";
import { readMetrics } from "../../src/runtime/metrics/index.js";
import { runPlan } from "../../src/runtime/train/index.js";
import { buildWorker } from "./helpers.js";

const root = mkdtempSync(path.join(tmpdir(), "llmp-planned-"));
const worker = buildWorker();
afterAll(() => {
  rmSync(root, { recursive: true, force: true });
  worker.remove();
});
writeFileSync(
  path.join(root, "corpus.txt"),
  "So shaken as we are, so wan with care, find we a time to pant. ".repeat(80),
);

const gib = 2 ** 30;
const cores = (n: number, memory = 16 * gib): LocalMachine => uncalibrated("wasm", n, memory);

const source = (stage: string, cluster = ""): string => `
tokenizer letters { kind = bytes }
dataset corpus { source = "corpus.txt", format = text }
cluster here { provider = local${cluster} }
model small { architecture = llama, layers = 2, hidden = 64, heads = 4, kv_heads = 2, ffn = 128, vocab = 320, context_length = 64 }
train base {
  objective = pretrain, model = small, data = corpus, on = here, steps = 6, batch = 8 sequences
  precision = fp32, seed = 3
  ${stage}
}
`;
const adamw = "optimizer = adamw { lr = 1e-3 }";

function planOf(text: string, local: LocalMachine) {
  const { value: ast } = parse({ path: path.join(root, "main.llmp"), text });
  const { value: pipeline, diagnostics } = check(ast, nodeHost(), {});
  if (pipeline === undefined) throw new Error(JSON.stringify(diagnostics));
  return makePlan(pipeline, bundledHardware(), { local });
}
function stageOf(text: string, local: LocalMachine): StagePlan {
  const { value, diagnostics } = planOf(text, local);
  if (value?.outcome !== "ok") throw new Error(JSON.stringify(diagnostics));
  return value.stages[0]!;
}
const auto = source(`${adamw}\n  parallel = { data = auto }`);

it("takes as many workers as the machine has cores and the batch divides by", () => {
  const two = stageOf(auto, cores(2));
  expect(two.parallel).toMatchObject({ data: 2, shard: "none", tensor: 1, pipeline: 1, context: 1 });
  expect(two.cluster.accelerators).toBe(2);
  expect(two.decisions.find((d) => d.what === "parallel.data")).toMatchObject({
    chose: "2",
    over: ["1"],
    because: expect.stringMatching(/^all steps take .*; data 1 takes /),
    fixed: false,
  });
  expect(stageOf(auto, cores(1)).parallel.data).toBe(1);
  expect(stageOf(auto, cores(7)).parallel.data).toBe(4);
});

it("does so by the word only: a file that says nothing has one worker, as one whose cluster names another backend", () => {
  expect(stageOf(source(adamw), cores(2)).parallel.data).toBe(1);
  expect(stageOf(source(`${adamw}\n  parallel = { micro_batch = 2 }`), cores(2)).parallel.data).toBe(1);
  const native = source(`${adamw}\n  parallel = { data = auto }`, ", backend = tensorflow");
  expect(stageOf(native, cores(2)).parallel.data).toBe(1);
});

it("keeps to one worker where the runtime has only one: Muon's weights cannot be split", () => {
  const muon = (more: string): string => source(`optimizer = muon { lr = 1e-3 }\n  parallel = { data = auto${more} }`);
  expect(stageOf(muon(", shard = zero1"), cores(2)).parallel.data).toBe(1);
  expect(stageOf(muon(""), cores(2)).parallel.data).toBe(2);
});

it("counts the memory of all workers against the machine's", () => {
  const fixed = (n: number): string => source(`${adamw}\n  parallel = { data = ${n}, shard = none, micro_batch = 1 }`);
  const one = stageOf(fixed(1), cores(2)).memory;
  const two = stageOf(fixed(2), cores(2)).memory;
  expect(two.peak_bytes).toBe(one.peak_bytes);
  expect(two.host_bytes).toBeGreaterThan(2 * one.host_bytes);
  // Room for one of them, not for two.
  const between = cores(2, (one.host_bytes + two.host_bytes) / 2);
  expect(planOf(fixed(2), between).value?.outcome).toBe("infeasible");
  expect(stageOf(auto, between).parallel.data).toBe(1);
});

it("tells the time of two workers: nearly half on two cores, no less than one's on one", () => {
  const fixed = (n: number): string => source(`${adamw}\n  parallel = { data = ${n}, shard = none, micro_batch = 1 }`);
  const step = (workers: number, n: number): number => stageOf(fixed(workers), cores(n)).time.step_seconds;
  expect(step(1, 2) / step(2, 2)).toBeGreaterThan(1.7);
  expect(step(1, 2) / step(2, 2)).toBeLessThan(2);
  expect(step(2, 1)).toBeGreaterThan(step(1, 1));
});

it("trains what one worker trains: the planned two have its loss curve", async () => {
  const curves: number[][] = [];
  for (const [name, machine] of [
    ["two", cores(2)],
    ["one", cores(1)],
  ] as const) {
    const { value: plan } = planOf(auto, machine);
    expect(plan!.stages[0]!.parallel.data).toBe(name === "two" ? 2 : 1);
    const folder = path.join(root, name);
    const options = { root, folder, backend: "wasm", workerFile: worker.file };
    for await (const _ of runPlan(plan!, options, { buildModel }));
    curves.push(readMetrics(path.join(folder, "base/metrics.jsonl")).map((m) => m.loss));
  }
  const [two, one] = curves as [number[], number[]];
  expect(one).toHaveLength(6);
  expect(one[5]).toBeLessThan(one[0]!);
  for (const [i, loss] of one.entries()) expect(Math.abs(two[i]! / loss - 1)).toBeLessThan(1e-5);
});
