import { beforeAll, describe, expect, it } from "vitest";
import { type Backend, startBackend } from "../../src/runtime/backend/index.js";
import { models, modes, noise, sameGradients, samePeak, step, values } from "./steps.js";

let backend: Backend;
beforeAll(async () => {
  backend = await startBackend("wasm");
});

describe.each(Object.entries(models))("%s", (_, graph) => {
  it("has the gradients that finite differences give", () => {
    const weights = values(graph);
    const { gradients } = step(backend.algebra, graph, weights, [], 1);
    for (const [name, g] of gradients) {
      // A random direction: the change of the loss along it, against gradient · direction.
      const direction = noise(99, g.length);
      const h = 2e-2 / Math.sqrt(g.length);
      const moved = (by: number): number => {
        const changed = new Map(weights);
        changed.set(
          name,
          weights.get(name)!.map((w, i) => w + by * direction[i]!),
        );
        return step(backend.algebra, graph, changed, [], undefined).loss;
      };
      const measured = (moved(h) - moved(-h)) / (2 * h);
      const expected = g.reduce((sum, x, i) => sum + x * direction[i]!, 0);
      const scale = Math.sqrt(g.reduce((s, x) => s + x * x, 0) * g.length) / 4;
      expect(Math.abs(measured - expected), `${name}: ${measured} ${expected}`).toBeLessThan(0.01 * scale + 0.02);
    }
  });

  it("has the same gradients for any recomputation, to the bit", () => {
    const weights = values(graph);
    const plain = step(backend.algebra, graph, weights, [], 1);
    for (const mode of Object.values(modes)) {
      const other = step(backend.algebra, graph, weights, mode, 1);
      expect(other.loss).toBe(plain.loss);
      for (const [name, g] of plain.gradients) expect(other.gradients.get(name), name).toEqual(g);
    }
  });
});

samePeak("wasm", Object.keys(modes));
// The plain CPU is slow: one mode is enough of what it shares with TensorFlow (native.test.ts).
sameGradients("cpu");
samePeak("cpu", ["a few ops"]);
