import { beforeAll, describe, expect, it } from "vitest";
import type { Precision, Stage } from "../../src/checker/pipeline.js";
import { predictLocal } from "../../src/planner/local/index.js";
import { type Backend, startBackend } from "../../src/runtime/backend/index.js";
import type { Batch, BatchSource, CheckpointStore, NamedTensor, TrainingState } from "../../src/runtime/interfaces.js";
import {
  initialValues,
  learningRate,
  type StageInput,
  type StageSummary,
  trainStage,
} from "../../src/runtime/train/index.js";
import type { RunEvent, StepMetrics } from "../../src/runtime/types.js";
import { llama } from "./graphs.js";

const graph = llama({ vocab: 29, hidden: 32, heads: 4, kvHeads: 2, ffn: 48, layers: 2 });
const length = 24;
const rows = 6;

/** Rows of a fixed arithmetic pattern: easy to learn. */
function batchOf(step: number): Batch {
  const n = rows * length;
  const at = (i: number): number => ((Math.floor(i / length) + 3 * step) * 7 + (i % length) * 3) % 29;
  return {
    sequences: rows,
    length,
    tokens: Int32Array.from({ length: n }, (_, i) => at(i)),
    targets: Int32Array.from({ length: n }, (_, i) => (at(i) + 3) % 29),
    weights: new Float32Array(n).fill(1),
    datasets: Int32Array.from({ length: rows }, (_, i) => i % 2),
  };
}
const source: BatchSource = {
  datasetNames: ["even", "odd"],
  batch: async (step) => batchOf(step),
  holdout: async () => ({ even: [batchOf(1000)] }),
  close: async () => {},
};
const known = <T>(value: T) => ({ value, from: "default" as const });
const stage = {
  name: "s",
  objective: { kind: "pretrain", options: {} },
  seed: known(7),
  save: known({ unit: "steps" as const, amount: 5 }),
  optimizer: known({
    kind: "adamw",
    lr: 1e-2,
    minLr: 1e-3,
    weightDecay: 0.1,
    beta1: 0.9,
    beta2: 0.95,
    eps: 1e-8,
    clip: 1,
    schedule: { kind: "cosine" as const, warmup: { unit: "steps" as const, amount: 3 }, decay: 0.1 },
  }),
} as unknown as Stage;

const candidate = (microBatch: number) =>
  ({
    contextLength: length,
    recompute: [],
    parallel: { micro_batch: microBatch, accumulation: rows / microBatch },
  }) as unknown as Parameters<typeof predictLocal>[1];

let backend: Backend;
beforeAll(async () => {
  backend = await startBackend("wasm");
});

function input(microBatch: number, more: Partial<StageInput> = {}, compute = "fp32", lossScale: unknown = "none") {
  const prediction = predictLocal(graph, candidate(microBatch), undefined, { compute });
  const plan = {
    name: "s",
    steps: 12,
    context_length: length,
    global_batch: rows,
    parallel: candidate(microBatch).parallel,
    recompute: { summary: "none", layers: [], requested: "auto" },
    memory: { peak_bytes: prediction.peakBytes },
    time: { step_seconds: prediction.stepSeconds },
  } as unknown as StageInput["plan"];
  const precision = { compute: known(compute), lossScale: known(lossScale) } as unknown as Precision;
  return { graph, stage, plan, precision, backend, source, resume: false, ...more } satisfies StageInput;
}

async function train(given: StageInput): Promise<{ steps: StepMetrics[]; events: RunEvent[]; summary: StageSummary }> {
  const events: RunEvent[] = [];
  const run = trainStage(given);
  for (;;) {
    const { value, done } = await run.next();
    if (done === true)
      return { events, summary: value, steps: events.flatMap((e) => (e.kind === "step" ? [e.metrics] : [])) };
    events.push(value);
  }
}

class Memory implements CheckpointStore {
  states: TrainingState[] = [];
  final: readonly NamedTensor[] = [];
  async save(state: TrainingState): Promise<string> {
    this.states.push(structuredClone(state));
    return `step-${state.step}`;
  }
  async latest(): Promise<TrainingState | undefined> {
    return this.states.at(-1);
  }
  async export(weights: readonly NamedTensor[]): Promise<string> {
    this.final = structuredClone(weights);
    return "final";
  }
}

describe("training a stage", () => {
  it("learns, and peaks exactly where the plan says", async () => {
    const { steps, summary, events } = await train(input(2));
    expect(steps).toHaveLength(12);
    expect(summary.final_loss).toBeLessThan(summary.first_loss - 1);
    expect(summary.measured.peak_bytes).toBe(summary.predicted.peak_bytes);
    expect(Object.keys(steps[0]!.losses!)).toEqual(["even", "odd"]);
    const evaluation = events.find((e) => e.kind === "evaluate");
    expect(evaluation?.kind === "evaluate" && evaluation.losses.even).toBeLessThan(summary.first_loss);
    expect(backend.meter.bytes).toBe(0);
  });

  it("gives the same losses for any micro-batch", async () => {
    const one = await train(input(6));
    const three = await train(input(2));
    for (const [i, s] of one.steps.entries()) expect(three.steps[i]!.loss).toBeCloseTo(s.loss, 4);
  });

  it("resumes to the bit", async () => {
    const whole = new Memory();
    await train(input(3, { checkpoints: whole }));
    const broken = new Memory();
    await train(input(3, { checkpoints: broken, steps: 5 }));
    const rest = await train(input(3, { checkpoints: broken, resume: true }));
    expect(rest.steps[0]!.step).toBe(6);
    expect(broken.final.length).toBeGreaterThan(0);
    for (const [i, t] of whole.final.entries()) expect(broken.final[i]!.values, t.name).toEqual(t.values);
  });

  it("saves and stops when asked", async () => {
    const controller = new AbortController();
    const checkpoints = new Memory();
    const run = trainStage(input(3, { checkpoints, stop: controller.signal }));
    for (let next = await run.next(); next.done !== true; next = await run.next())
      if (next.value.kind === "step" && next.value.metrics.step === 2) controller.abort();
    expect(checkpoints.states.at(-1)!.step).toBe(2);
    expect(checkpoints.final).toHaveLength(0);
  });

  it.each(["bf16", "fp16"])("trains in %s with fp32 masters", async (compute) => {
    const exact = await train(input(3));
    const rounded = await train(input(3, {}, compute, compute === "fp16" ? "dynamic" : "none"));
    expect(rounded.steps[0]!.loss).not.toBe(exact.steps[0]!.loss);
    expect(rounded.summary.final_loss).toBeLessThan(rounded.summary.first_loss - 1);
    expect(rounded.summary.measured.peak_bytes).toBe(rounded.summary.predicted.peak_bytes);
  });
});

it("learning rates warm up and fall", () => {
  const o = stage.optimizer.value;
  expect(learningRate(o, 0, 100, 1)).toBeCloseTo(o.lr / 3);
  expect(learningRate(o, 3, 100, 1)).toBeCloseTo(o.lr);
  expect(learningRate(o, 100, 100, 1)).toBeCloseTo(o.minLr);
  expect(learningRate({ ...o, schedule: { ...o.schedule, kind: "wsd" } }, 80, 100, 1)).toBeCloseTo(o.lr);
});

it("initial values depend on seed and name alone, with the right spread", () => {
  const weight = {
    name: "w",
    spec: { shape: [200, 100], init: { kind: "normal", std: 0.02 } },
  } as unknown as Parameters<typeof initialValues>[0];
  const a = initialValues(weight, 1);
  expect(initialValues(weight, 1)).toEqual(a);
  expect(initialValues(weight, 2)).not.toEqual(a);
  expect(Math.sqrt(a.reduce((s, x) => s + x * x, 0) / a.length)).toBeCloseTo(0.02, 3);
});
