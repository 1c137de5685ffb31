/** Plan equivalence: any layout of any small pipeline gives the plain program's loss curve and final weights. */
import fc from "fast-check";
import { expect, it } from "vitest";
import type { ModelGraph } from "../../src/model/graph.js";
import type { ParallelPlan, RecomputeLayer } from "../../src/planner/plan.js";
import { scheduleKinds, scheduleTraits } from "../../src/planner/schedule/index.js";
import { alone, type Case, compare, graphOf, named, poolFor } from "./helpers.js";

const pool = poolFor(4);

/** Every block of the model: biases, learned positions, transposed matrices, caps, windows, norms of all kinds, parallel blocks, experts, latent attention. */
const models = [
  "architecture = llama, kv_heads = 2",
  "architecture = gpt2",
  "architecture = qwen2, kv_heads = 2, attention_bias = qkv, tied_embeddings = true",
  "architecture = qwen3, kv_heads = 2, head_dim = 8",
  "architecture = gemma2, kv_heads = 2, head_dim = 8, sliding_window = 5, attention_softcap = 20, final_softcap = 10",
  "architecture = olmo2",
  "architecture = phi",
  "architecture = mixtral, kv_heads = 2, experts = 4, experts_per_token = 2, moe_ffn = 16",
  "architecture = deepseek_v3, experts = 4, experts_per_token = 2, moe_ffn = 16, shared_experts = 1, dense_layers = 1, q_rank = 16, kv_rank = 16, rope_head_dim = 4, nope_head_dim = 8, value_head_dim = 8",
];
const layers = 4;
const graphs = new Map<string, ModelGraph>();
const graphAt = (model: string): ModelGraph => {
  const graph =
    graphs.get(model) ??
    graphOf(`${model}, layers = ${layers}, hidden = 32, heads = 4, ffn = 48, vocab = 67, context_length = 16`);
  graphs.set(model, graph);
  return graph;
};

/** Deeper than what learns from it. */
const teacher = graphOf(
  "architecture = llama, layers = 5, hidden = 32, heads = 4, kv_heads = 2, ffn = 48, vocab = 67, context_length = 16",
  undefined,
  ["*"],
);

const degree = fc.constantFrom(1, 2);
const parallel: fc.Arbitrary<ParallelPlan> = fc
  .record({
    data: fc.constantFrom(1, 2, 3, 4),
    tensor: degree,
    pipeline: degree,
    context: degree,
    sequence: fc.boolean(),
    shard: fc.constantFrom("none" as const, "zero1" as const, "zero2" as const, "zero3" as const, "hsdp" as const),
    schedule: fc.constantFrom(...scheduleKinds),
    micro_batch: fc.constantFrom(1, 2),
    accumulation: fc.constantFrom(1, 2, 4),
  })
  .filter((p) => p.data * p.tensor * p.pipeline * p.context <= 4)
  .map((p) => {
    const traits = scheduleTraits(p.schedule);
    const staged = p.pipeline > 1;
    const ranks = p.data * p.context;
    const shard = p.shard === "hsdp" && ranks !== 4 ? "zero3" : p.shard;
    return {
      ...alone,
      ...p,
      shard,
      shard_group: shard === "hsdp" ? 2 : shard === "zero3" ? ranks : 1,
      sequence: p.sequence && p.tensor > 1,
      virtual: staged ? traits.virtual.min : 1,
      schedule: staged ? p.schedule : ("1f1b" as const),
      accumulation: staged ? 4 : p.accumulation,
    };
  });

interface Choice {
  readonly mode: RecomputeLayer["mode"];
  readonly drop: readonly boolean[];
}
const choice: fc.Arbitrary<Choice> = fc.record({
  mode: fc.constantFrom("none" as const, "full" as const, "ops" as const),
  drop: fc.array(fc.boolean(), { minLength: 16, maxLength: 16 }),
});

const recomputeOf = (graph: ModelGraph, choices: readonly Choice[]): RecomputeLayer[] =>
  choices.map(({ mode, drop }, i) => {
    const ops = graph.kinds[graph.stack[i + 1]!]!.ops.filter((_, j) => drop[j % drop.length]).map((op) => op.id);
    return { layer: i + 1, mode, ops: mode === "ops" ? ops : [], offload: [] };
  });

/** What is learned, and the frozen model beside where there is one. */
const objective: fc.Arbitrary<Required<Pick<Case, "objective">> & Pick<Case, "beside">> = fc.constantFrom(
  { objective: named("pretrain", {}) },
  { objective: named("dpo", { beta: 0.5 }), beside: { graph: teacher, shares: false } },
  {
    objective: named("grpo", { groupSize: 2, kl: 0.1, maxCompletion: 8, updates: 2 }),
    beside: { graph: teacher, shares: false },
  },
  {
    objective: named("distill", { divergence: "js", temperature: 2, hardLabels: 0.2 }),
    beside: { graph: teacher, shares: false },
  },
);

it("random layouts of random pipelines compute what the plain program computes", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...models),
      parallel,
      fc.array(choice, { minLength: layers, maxLength: layers }),
      fc.boolean(),
      fc.constantFrom("adamw" as const, "sgd" as const),
      objective,
      async (model, layout, choices, segments, optimizer, learned) => {
        const graph = graphAt(model);
        const recompute = recomputeOf(graph, choices);
        // Experts are spread wherever they can be.
        const routes = Object.values(graph.kinds).some((kind) => kind.ops.some((op) => op.kind === "router"));
        const expert = routes && (layout.data * layout.context) % 2 === 0 ? 2 : 1;
        const d = await compare(
          {
            graph,
            parallel: { ...layout, expert },
            recompute,
            optimizer,
            ...learned,
            length: 16,
            segments: segments && learned.objective.kind !== "grpo",
          },
          pool(),
        );
        expect(d.loss).toBeLessThan(1e-5);
        expect(d.weights).toBeLessThan(1e-5);
      },
    ),
    {
      // The same cases every time; more and others: LLMP_TEST_RUNS=200 LLMP_TEST_SEED=…
      numRuns: Number(process.env.LLMP_TEST_RUNS ?? 16),
      seed: Number(process.env.LLMP_TEST_SEED ?? 5),
      endOnFailure: true,
    },
  );
}, 120_000);
