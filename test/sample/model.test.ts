/** The executor answers as `transformers` does, from the same files. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ModelSpec } from "../../src/checker/pipeline.js";
import type { ModelGraph } from "../../src/model/graph.js";
import { type LanguageModel, openLanguageModel } from "../../src/runtime/sample/index.js";
import { forGraph, openWeights } from "../../src/runtime/weights/index.js";
import { llama } from "../runtime/graphs.js";

const folder = join(import.meta.dirname, "../weights/fixtures/smollm");
const expected = JSON.parse(readFileSync(join(folder, "expected.json"), "utf8")) as {
  tokens: number[][];
  logits: number[][][];
};

/** The hand-written Llama under Hugging Face's names. */
function named(): ModelGraph {
  const graph = llama({ vocab: 64, hidden: 16, heads: 4, kvHeads: 2, ffn: 24, layers: 2 });
  let json = JSON.stringify(graph);
  for (const n of ["q", "k", "v", "o"])
    json = json.replaceAll(`{layer}.${n}.weight`, `{layer}.self_attn.${n}_proj.weight`);
  for (const n of ["gate", "up", "down"]) json = json.replaceAll(`{layer}.${n}.weight`, `{layer}.mlp.${n}_proj.weight`);
  return JSON.parse(json) as ModelGraph;
}

let model: LanguageModel;
beforeAll(async () => {
  const graph = named();
  const spec = { contextLength: { value: 64, from: "file" } } as unknown as ModelSpec;
  model = await openLanguageModel({ graph, spec, weights: forGraph(openWeights(folder), graph, folder) });
});
afterAll(() => model.close());

test("logits equal those of transformers to 1e-4", async () => {
  for (const [i, tokens] of expected.tokens.entries())
    for (const [back, row] of (expected.logits[i] ?? []).entries()) {
      const logits = await model.next(Int32Array.from(tokens.slice(0, tokens.length - 3 + back)));
      expect(logits.length).toBe(64);
      for (const [v, value] of row.entries()) expect(Math.abs((logits[v] ?? 0) - value)).toBeLessThan(1e-4);
    }
});

test("log-probabilities are those of the logits, for several rows and for packed documents", async () => {
  const [first = [], second = []] = expected.tokens;
  const length = first.length;
  const tokens = Int32Array.from([...first, ...second]);
  const targets = Int32Array.from(tokens, (t) => (t * 5 + 1) % 64);
  const whole = await model.logProbs({ tokens, targets, sequences: 2, length });
  const logProb = (row: number[], target: number) =>
    (row[target] ?? 0) - Math.log(row.reduce((a, l) => a + Math.exp(l), 0));
  for (const [i, rows] of expected.logits.entries())
    for (const [back, row] of rows.entries()) {
      const at = i * length + length - 4 + back;
      expect(Math.abs((whole[at] ?? 0) - logProb(row, targets[at] ?? 0))).toBeLessThan(1e-4);
    }
  // Both documents in one row, told apart by segments and positions: the same figures.
  const segments = Int32Array.from(tokens, (_, i) => (i < length ? 0 : 1));
  const positions = Int32Array.from(tokens, (_, i) => i % length);
  const packed = await model.logProbs({ tokens, targets, sequences: 1, length: 2 * length, segments, positions });
  for (const [i, value] of packed.entries()) expect(Math.abs(value - (whole[i] ?? 0))).toBeLessThan(1e-5);
});
