/** The layerwise executor's own backward against TensorFlow.js's tape over the whole model, written without anything of ours. */
import { expect, it } from "vitest";
import { storedWeights } from "../../src/program/index.js";
import { startBackend } from "../../src/runtime/backend/index.js";
import { gpt2, llama, type Tiny } from "./graphs.js";
import { tfGrads } from "./plain-tfjs.js";
import { modes, step, values } from "./steps.js";

const tiny: Tiny = { vocab: 37, hidden: 24, heads: 4, kvHeads: 2, ffn: 20, layers: 2 };
const cases = [
  ["llama", "grouped heads, tied", tiny],
  ["llama", "sliding window, softcaps", { ...tiny, window: 5, cap: 3 }],
  ["gpt2", "tied", { ...tiny, kvHeads: 4, tied: true }],
  ["gpt2", "untied", { ...tiny, kvHeads: 4 }],
] as const;

const top = (g: Float32Array): number => g.reduce((t, x) => Math.max(t, Math.abs(x)), 0);

it.each(cases)("%s, %s: gradients are those of tf.grads, with and without recomputation", async (name, _, t) => {
  const graph = (name === "llama" ? llama : gpt2)(t);
  const weights = values(graph);
  const shapes = new Map(storedWeights(graph).map((w) => [w.name, w.spec.shape]));
  const { algebra } = await startBackend("wasm");
  const expected = await tfGrads(name, t, weights, (weight) => shapes.get(weight)!);
  const largest = Math.max(...[...expected.gradients.values()].map(top));
  for (const mode of [modes.none!, modes.full!]) {
    const { loss, gradients } = step(algebra, graph, weights, mode, 1);
    expect(Math.abs(loss / expected.loss - 1)).toBeLessThan(1e-6);
    expect([...gradients.keys()].sort()).toEqual([...expected.gradients.keys()].sort());
    for (const [weight, g] of expected.gradients) {
      // Rounding of the weight's own largest gradient, and (a key's bias has none but rounding) of the largest of all.
      const allowed = 2e-5 * top(g) + 1e-6 * largest;
      gradients.get(weight)!.forEach((x, i) => {
        if (!(Math.abs(x - g[i]!) <= allowed)) expect.fail(`${weight} at ${i}: ${x}, not ${g[i]}`);
      });
    }
  }
});
