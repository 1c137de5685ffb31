/** Every objective under every axis: the losses and weights of the plain program, and GRPO's very samples. */
import { describe, expect, it } from "vitest";
import type { ParallelPlan } from "../../src/planner/plan.js";
import { alone, type Case, compare, graphOf, named, poolFor } from "./helpers.js";

const pool = poolFor(4);

const size = "heads = 4, kv_heads = 2, vocab = 67, context_length = 16";
const llama = `architecture = llama, layers = 3, hidden = 32, ffn = 48, ${size}`;
const wide = `architecture = llama, layers = 2, hidden = 128, ffn = 128, ${size}`;
const narrow = `architecture = llama, layers = 2, hidden = 24, ffn = 40, ${size}`;
const mixtral = `architecture = mixtral, layers = 2, hidden = 32, ffn = 48, ${size}, experts = 4, experts_per_token = 2, moe_ffn = 16`;
const sigmoid =
  "architecture = deepseek_v3, layers = 2, hidden = 32, heads = 4, vocab = 67, context_length = 16, ffn = 48, experts = 4, experts_per_token = 2, moe_ffn = 16, shared_experts = 1, dense_layers = 1, q_rank = 16, kv_rank = 16, rope_head_dim = 4, nope_head_dim = 8, value_head_dim = 8, balancing = bias";

const frozen = (model: string) => graphOf(model, undefined, ["*"]);
const reference = { graph: frozen(llama), shares: false };
const teacher = { graph: frozen(`architecture = llama, layers = 4, hidden = 32, ffn = 64, ${size}`), shares: false };
const lora = "kind = lora, rank = 4, alpha = 8";
const qlora = "kind = qlora, rank = 4, alpha = 8";
const grpo = named("grpo", { groupSize: 2, kl: 0.1, maxCompletion: 8, updates: 2, clip: 0.2 });

const objectives: Readonly<Record<string, Partial<Case>>> = {
  dpo: { graph: graphOf(llama), objective: named("dpo", { beta: 0.5, labelSmoothing: 0.1 }), beside: reference },
  "dpo ipo": { graph: graphOf(llama), objective: named("dpo", { beta: 0.5, loss: "ipo" }), beside: reference },
  "dpo of an adapter": {
    graph: graphOf(llama, lora),
    objective: named("dpo", { beta: 0.5 }),
    beside: { graph: frozen(llama), shares: true },
  },
  grpo: { graph: graphOf(llama), objective: grpo, beside: reference },
  "distill, forward": {
    graph: graphOf(llama),
    objective: named("distill", { divergence: "forward_kl", temperature: 2, hardLabels: 0.1 }),
    beside: teacher,
  },
  "distill, reverse": {
    graph: graphOf(llama),
    objective: named("distill", { divergence: "reverse_kl" }),
    beside: teacher,
  },
  "distill, Jensen-Shannon": {
    graph: graphOf(llama),
    objective: named("distill", { divergence: "js", temperature: 1.5 }),
    beside: teacher,
  },
  "experts, auxiliary loss and room": {
    graph: graphOf(`${mixtral}, balancing = aux_loss, aux_loss = 0.1, capacity_factor = 1.1`),
  },
  "experts, correction bias": { graph: graphOf(sigmoid) },
  "qlora, whole blocks": { graph: graphOf(wide, qlora) },
  "qlora, cut blocks": { graph: graphOf(narrow, qlora) },
  "experts in 4 bits": { graph: graphOf(mixtral, qlora) },
  lion: { graph: graphOf(llama), optimizer: "lion" },
};

const layouts: Readonly<Record<string, Partial<ParallelPlan>>> = {
  "data 2": { data: 2, accumulation: 2 },
  "ZeRO-2": { data: 2, shard: "zero2", micro_batch: 2 },
  "ZeRO-3": { data: 3, shard: "zero3", shard_group: 3, accumulation: 2 },
  "tensor 2": { tensor: 2, accumulation: 2 },
  "tensor 2 with sequence, FSDP 2": { tensor: 2, sequence: true, data: 2, shard: "zero3", shard_group: 2 },
  "context 2": { context: 2, micro_batch: 2, accumulation: 2 },
  "pipeline 2 × 2": { pipeline: 2, data: 2, shard: "zero1", accumulation: 4 },
};

// Each objective under three of the layouts, a different three in turn; all of them: LLMP_TEST_RUNS=200.
const every = process.env.LLMP_TEST_RUNS !== undefined;
for (const [i, [name, c]] of Object.entries(objectives).entries())
  describe(name, () => {
    for (const [layout, parallel] of Object.entries(layouts).filter((_, l) => every || (l + i) % 7 < 3))
      it(layout, async () => {
        const d = await compare({ length: 16, ...c, parallel: { ...alone, ...parallel } } as Case, pool());
        expect(d.loss).toBeLessThan(1e-5);
        // An adapter starts at zero: AdamW's first steps are made of gradients that are little above rounding.
        expect(d.weights).toBeLessThan(/qlora|4 bits/.test(name) ? 2e-5 : 1e-5);
      });
  });

it("experts spread over ranks, with their room and balance", async () => {
  const c = objectives["experts, auxiliary loss and room"]!;
  const parallel = { ...alone, data: 2, context: 2, expert: 2, micro_batch: 2 };
  const d = await compare({ length: 16, ...c, parallel } as Case, pool());
  expect(d.loss).toBeLessThan(1e-5);
  expect(d.weights).toBeLessThan(1e-5);
});

for (const optimizer of ["muon", "adafactor"] as const)
  it(`${optimizer}, which needs whole weights`, async () => {
    for (const parallel of [{ data: 2 }, { pipeline: 2, accumulation: 2 }]) {
      const d = await compare(
        { graph: graphOf(llama), length: 16, optimizer, parallel: { ...alone, ...parallel } },
        pool(),
      );
      expect(d.loss).toBeLessThan(1e-5);
      expect(d.weights).toBeLessThan(1e-5);
    }
  });
