import { describe, expect, it } from "vitest";
import type { ParallelPlan } from "../../src/planner/plan.js";
import { alone, type Case, compare, graphOf, poolFor } from "./helpers.js";

const pool = poolFor(4);

const llama = graphOf(
  "architecture = llama, layers = 3, hidden = 32, heads = 4, kv_heads = 2, ffn = 48, vocab = 67, context_length = 16",
);
const mixtral = graphOf(
  "architecture = mixtral, layers = 2, hidden = 32, heads = 4, kv_heads = 2, ffn = 48, vocab = 67, context_length = 16, experts = 4, experts_per_token = 2, moe_ffn = 16",
);
const deepseek = graphOf(
  "architecture = deepseek_v3, layers = 2, hidden = 32, heads = 4, vocab = 67, context_length = 16, ffn = 48, experts = 4, experts_per_token = 2, moe_ffn = 16, shared_experts = 1, dense_layers = 1, q_rank = 16, kv_rank = 16, rope_head_dim = 4, nope_head_dim = 8, value_head_dim = 8",
);
const cases: readonly [name: string, parallel: Partial<ParallelPlan>, more?: Partial<Case>][] = [
  ["data 2", { data: 2, micro_batch: 2, accumulation: 2 }],
  ["ZeRO-1", { data: 2, shard: "zero1", micro_batch: 2 }],
  ["ZeRO-2", { data: 2, shard: "zero2", accumulation: 2 }],
  ["ZeRO-3", { data: 3, shard: "zero3", shard_group: 3, accumulation: 2 }],
  ["HSDP", { data: 4, shard: "hsdp", shard_group: 2, accumulation: 2 }],
  ["tensor 2", { tensor: 2, accumulation: 2 }],
  ["tensor 2, sequence", { tensor: 2, sequence: true, micro_batch: 2 }],
  ["tensor 2, sequence, FSDP 2", { tensor: 2, sequence: true, data: 2, shard: "zero3", shard_group: 2 }],
  ["context 2", { context: 2, micro_batch: 2 }],
  ["context 2, segments", { context: 2, micro_batch: 2 }, { segments: true }],
  ["pipeline 2, 1F1B", { pipeline: 2, accumulation: 4 }],
  ["pipeline 3", { pipeline: 3, accumulation: 2, schedule: "gpipe" }],
  ["experts, data 2", { data: 2, accumulation: 2 }, { graph: mixtral }],
  ["expert 2", { data: 2, expert: 2, accumulation: 2 }, { graph: mixtral }],
  ["expert 2 of data 4, FSDP", { data: 4, expert: 2, shard: "zero3", shard_group: 4 }, { graph: mixtral }],
  ["expert 2, tensor 2 with sequence", { data: 2, expert: 2, tensor: 2, sequence: true }, { graph: mixtral }],
  ["latent attention and shared experts, tensor 2", { tensor: 2, micro_batch: 2 }, { graph: deepseek }],
  ["latent attention and shared experts, expert 2", { data: 2, expert: 2, shard: "zero1" }, { graph: deepseek }],
];

describe("a layout computes what the plain program computes", () => {
  for (const [name, parallel, more] of cases)
    it(name, async () => {
      const c: Case = { graph: llama, parallel: { ...alone, ...parallel }, length: 16, ...more };
      const d = await compare(c, pool());
      expect(d.loss).toBeLessThan(1e-5);
      expect(d.weights).toBeLessThan(1e-5);
    });
});
