/** Any small model, objective, adapter, precision and recomputation: a step's peak is the planned one. */
import fc from "fast-check";
import { expect, it } from "vitest";
import type { Adapter, Stage } from "../../src/checker/pipeline.js";
import type { ModelGraph, Op } from "../../src/model/graph.js";
import { buildGraph } from "../../src/model/index.js";
import { predictLocal, uncalibrated } from "../../src/planner/local/index.js";
import type { RecomputeLayer } from "../../src/planner/plan.js";
import { objectivePrograms, sharesWeights } from "../../src/program/index.js";
import { type Backend, startBackend } from "../../src/runtime/backend/index.js";
import type { Batch } from "../../src/runtime/interfaces.js";
import type { Executor } from "../../src/runtime/train/executor.js";
import { openHere } from "../../src/runtime/train/here.js";
import type { StageInput } from "../../src/runtime/train/index.js";
import { specOf } from "./models.js";
import { noise } from "./steps.js";

const families = [
  "architecture = llama, kv_heads = 2",
  "architecture = gpt2",
  "architecture = qwen2, kv_heads = 2, attention_bias = qkv, tied_embeddings = true",
  "architecture = qwen3, kv_heads = 2, head_dim = 8",
  "architecture = gemma2, kv_heads = 2, head_dim = 8, sliding_window = 5, attention_softcap = 20, final_softcap = 10",
  "architecture = mixtral, kv_heads = 2, experts = 4, experts_per_token = 2, moe_ffn = 16",
  "architecture = deepseek_v3, experts = 4, experts_per_token = 2, moe_ffn = 16, shared_experts = 1, dense_layers = 1, q_rank = 16, kv_rank = 16, rope_head_dim = 4, nope_head_dim = 8, value_head_dim = 8",
] as const;
const known = <T>(value: T) => ({ value, from: "default" as const });
const layers = 3;

interface Case {
  readonly family: string;
  readonly hidden: number;
  readonly ffn: number;
  readonly vocab: number;
  readonly objective: { readonly kind: string; readonly options: Stage["objective"]["options"] };
  readonly adapter: "none" | "lora" | "qlora";
  readonly compute: string;
  readonly optimizer: string;
  readonly packing: boolean;
  readonly length: number;
  readonly micro: number;
  readonly accumulation: number;
  readonly recompute: readonly { readonly mode: "none" | "full" | "ops"; readonly pick: number }[];
}

const settings = (options: Readonly<Record<string, string | number>>): Stage["objective"]["options"] =>
  Object.fromEntries(Object.entries(options).map(([name, value]) => [name, known(value)]));

const many = {
  vocab: 100_003,
  hidden: 16,
  micro: 2,
  length: 40,
  accumulation: 1,
  objective: { kind: "pretrain", options: {} },
  compute: "fp32",
  optimizer: "adamw",
};

/** Some objectives, adapters and families do not go together. */
const cases: fc.Arbitrary<Case> = fc
  .record({
    family: fc.constantFrom(...families),
    hidden: fc.constantFrom(16, 32, 48),
    ffn: fc.integer({ min: 5, max: 60 }),
    vocab: fc.constantFrom(37, 130, 131),
    manyChunks: fc.integer({ min: 1, max: 6 }).map((n) => n === 1),
    objective: fc.constantFrom(
      { kind: "pretrain", options: {} },
      { kind: "sft", options: {} },
      { kind: "dpo", options: settings({ beta: 0.1 }) },
      { kind: "grpo", options: settings({ groupSize: 2, kl: 0.1, maxCompletion: 6 }) },
      { kind: "grpo", options: settings({ groupSize: 3, kl: 0, maxCompletion: 4 }) },
      { kind: "distill", options: settings({ divergence: "js", temperature: 2, hardLabels: 0.3 }) },
    ),
    adapter: fc.constantFrom("none", "none", "lora", "qlora"),
    compute: fc.constantFrom("fp32", "fp32", "bf16", "fp8"),
    optimizer: fc.constantFrom("adamw", "adamw", "sgd", "muon"),
    packing: fc.boolean(),
    length: fc.integer({ min: 9, max: 40 }),
    micro: fc.integer({ min: 1, max: 3 }),
    accumulation: fc.integer({ min: 1, max: 2 }),
    recompute: fc.array(
      fc.record({ mode: fc.constantFrom("none", "full", "ops", "ops"), pick: fc.nat({ max: 2 ** 20 }) }),
      { minLength: layers, maxLength: layers },
    ),
  })
  .map((c) => (c.packing && !["pretrain", "sft"].includes(c.objective.kind) ? { ...c, packing: false } : c))
  // So large a vocabulary makes several chunks of logits.
  .map((c) => (c.manyChunks ? { ...c, ...many } : c));

/** By the bits of `pick`. */
const some = (ops: readonly Op[], pick: number): readonly Op[] => ops.filter((_, i) => ((pick >> (i % 20)) & 1) === 1);

function recomputeOf(graph: ModelGraph, { recompute }: Case): RecomputeLayer[] {
  return recompute.map(({ mode, pick }, i) => {
    const ops = mode === "ops" ? some(graph.kinds[graph.stack[i + 1]!]!.ops, pick).map((op) => op.id) : [];
    return { layer: i + 1, mode, ops, offload: [] };
  });
}

/** Its rows, with whole sequences of targets. */
function batchOf(c: Case, rows: number): Batch {
  const n = rows * c.length;
  const ids = (seed: number): Int32Array => Int32Array.from(noise(seed, n), (x) => Math.floor((x + 0.5) * c.vocab));
  return {
    sequences: rows,
    length: c.length,
    tokens: ids(1),
    targets: ids(2),
    weights: Float32Array.from({ length: n }, (_, i) => (i % 5 === 0 ? 0 : 1)),
    ...(c.packing
      ? {
          segments: Int32Array.from({ length: n }, (_, i) => +(i % c.length > 6)),
          positions: Int32Array.from({ length: n }, (_, i) => (i % c.length) % 7),
        }
      : {}),
    ...(c.objective.kind === "grpo" ? { advantages: noise(3, rows) } : {}),
  } as Batch;
}

/** Planned and measured peak of a second step. */
async function peaks(backend: Backend, c: Case): Promise<readonly [planned: number, measured: number]> {
  const spec = specOf(
    `${c.family}, layers = ${layers}, hidden = ${c.hidden}, heads = 4, ffn = ${c.ffn}, vocab = ${c.vocab}, context_length = 40`,
  );
  const of = { rank: known(4), alpha: known(8), dropout: known(0), targets: known(["all_linear"]) };
  const adapter = { name: "a", kind: known(c.adapter), ...of } as unknown as Adapter;
  const plain = buildGraph(spec);
  const graph = c.adapter === "none" ? plain : buildGraph(spec, { adapter });
  const stage = {
    name: "s",
    ...(c.adapter === "none" ? {} : { adapter: known("a") }),
    objective: c.objective,
    seed: known(7),
    optimizer: known({ kind: c.optimizer }),
  } as unknown as Stage;
  const program = objectivePrograms[c.objective.kind]!;
  const role = program.role(c.objective.options);
  const recompute = recomputeOf(graph, c);
  const parallel = { micro_batch: c.micro, accumulation: c.accumulation, data: 1 };
  const candidate = { contextLength: c.length, recompute, parallel } as unknown as Parameters<typeof predictLocal>[1];
  const planned = predictLocal(graph, candidate, uncalibrated(backend.name, 2, 2 ** 34), {
    compute: c.compute,
    recipe: c.compute === "fp8" ? "rowwise" : "",
    optimizer: c.optimizer,
    packing: c.packing,
    objective: c.objective,
    ...(role === undefined ? {} : { other: plain }),
    shares: sharesWeights(stage),
  });
  const executor = await openHere(
    {
      graph,
      stage,
      plan: { context_length: c.length, parallel, recompute: { layers: recompute } },
      precision: { compute: known(c.compute), recipe: known(c.compute === "fp8" ? "rowwise" : "") },
      backend,
      ...(role === undefined ? {} : { other: { graph: plain } }),
    } as unknown as StageInput,
    new Map(),
  );
  const group = program.rows(c.objective.options);
  for (let t = 1; t <= 2; t++) {
    executor.begin();
    if (program.samples === true) await sampled(executor, c, c.micro * group);
    await executor.run(batchOf(c, c.micro * c.accumulation * group), 1e-3);
    const rates = { lr: 1e-3, beta1: 0.9, beta2: 0.95, eps: 1e-8 };
    await executor.update({ ...rates, weightDecay: 0.1, clip: 1, t, lossScale: 1 });
  }
  const measured = executor.peak();
  await executor.close();
  expect(backend.meter.bytes).toBe(0);
  return [planned.peakBytes, measured];
}

/** The longest prompts with the longest answers. */
async function sampled(executor: Executor, c: Case, count: number): Promise<void> {
  const longest = c.objective.options.maxCompletion!.value as number;
  const rows = Array.from({ length: count }, (_, seed) => ({ seed, prompt: new Int32Array(c.length - longest) }));
  await executor.generate({ rows, room: c.length, longest, temperature: 1, end: undefined, together: count });
}

/** Experts in 4 bits. */
const always: Case = {
  family: families[5],
  hidden: 32,
  ffn: 40,
  vocab: 37,
  objective: { kind: "pretrain", options: {} },
  adapter: "qlora",
  compute: "fp32",
  optimizer: "adamw",
  packing: false,
  length: 20,
  micro: 2,
  accumulation: 1,
  recompute: [
    { mode: "none", pick: 0 },
    { mode: "ops", pick: 2 ** 20 - 1 },
    { mode: "full", pick: 0 },
  ],
};

/** Experts whose gradients come and go. */
const spread: Case = { ...always, adapter: "none", objective: { kind: "sft", options: {} }, micro: 3, length: 40 };

export function randomPeaks(name: string, runs: number): void {
  it(`${name} peaks within 2% of the plan, for any model, objective and recomputation`, async () => {
    const backend = await startBackend(name);
    const holds = async (c: Case): Promise<void> => {
      const [planned, measured] = await peaks(backend, c);
      expect(Math.abs(planned / measured - 1), `planned ${planned}, measured ${measured}`).toBeLessThan(0.02);
    };
    await fc.assert(fc.asyncProperty(cases, holds), { numRuns: runs, examples: [[always], [spread]] });
  });
}
