/** Dropout: any layout, split into micro-batches and recomputation drops what the plain program drops. */
import { expect, it } from "vitest";
import { alone, type Case, compare, graphOf, poolFor } from "./helpers.js";

const pool = poolFor(4);

const graph = graphOf(
  "architecture = gpt2, dropout = 30%, layers = 4, hidden = 32, heads = 4, ffn = 48, vocab = 67, context_length = 16",
);
const cases: Readonly<Record<string, Partial<Case["parallel"]>>> = {
  "data and micro-batches": { data: 2, micro_batch: 1, accumulation: 2 },
  "tensor with sequence parallelism, and data": { tensor: 2, sequence: true, data: 2 },
  "context and tensor": { context: 2, tensor: 2 },
  "pipeline, ZeRO-3": { pipeline: 2, data: 2, shard: "zero3", accumulation: 2 },
};

it.each(Object.keys(cases))("%s", async (name) => {
  const recompute = [0, 1, 2, 3, 4].map((layer) => ({ layer, mode: "full" as const, ops: [], offload: [] }));
  const { loss, weights } = await compare(
    { graph, parallel: { ...alone, ...cases[name] }, recompute, length: 16 },
    pool(),
  );
  expect(loss).toBeLessThan(1e-5);
  expect(weights).toBeLessThan(1e-5);
});
