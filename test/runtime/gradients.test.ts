import { beforeAll, describe, expect, it } from "vitest";
import type { ModelGraph } from "../../src/model/graph.js";
import type { RecomputeLayer } from "../../src/planner/plan.js";
import { type Algebra, dryRun, makeState, microBatchStep, storedWeights } from "../../src/program/index.js";
import { type Backend, isAvailable, startBackend } from "../../src/runtime/backend/index.js";
import { gpt2, llama } from "./graphs.js";

const tiny = { vocab: 37, hidden: 24, heads: 4, kvHeads: 2, ffn: 20, layers: 2 };
const models: Record<string, ModelGraph> = {
  "llama, grouped heads": llama(tiny),
  "llama, sliding window and softcap": llama({ ...tiny, window: 5, cap: 3 }),
  gpt2: gpt2({ ...tiny, kvHeads: 4 }),
};
const sequences = 2;
const length = 70;
let backend: Backend;
beforeAll(async () => {
  backend = await startBackend("wasm");
});

/** Deterministic noise. */
function noise(seed: number, n: number): Float32Array {
  let s = seed;
  return Float32Array.from({ length: n }, () => {
    s = (Math.imul(s, 1664525) + 1013904223) | 0;
    return (s >>> 8) / 2 ** 24 - 0.5;
  });
}
const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
const tokens = (seed: number, vocab: number, n: number): Int32Array =>
  Int32Array.from(noise(seed, n), (x) => Math.min(vocab - 1, Math.floor((x + 0.5) * vocab)));

function values(graph: ModelGraph): Map<string, Float32Array> {
  return new Map(
    storedWeights(graph).map(({ name, spec }, i) => {
      const v = noise(i + 1, size(spec.shape));
      return [name, spec.shape.length > 1 ? v.map((x) => x * 0.6) : v.map((x) => 1 + 0.5 * x)];
    }),
  );
}

function step<T>(
  algebra: Algebra<T>,
  graph: ModelGraph,
  weights: Map<string, Float32Array>,
  recompute: readonly RecomputeLayer[],
  scale: number | undefined,
  packed = true,
) {
  const n = sequences * length;
  const limit = Math.min(64, length);
  const state = makeState(algebra, graph, length, ({ name }) => weights.get(name)!, scale !== undefined);
  const segments = Int32Array.from({ length: n }, (_, i) => (i % length < 30 ? 0 : 1));
  const positions = Int32Array.from({ length: n }, (_, i) => (i % length) % limit);
  const batch = {
    sequences,
    length,
    tokens: algebra.ints(tokens(7, graph.vocab, n), [n]),
    targets: algebra.ints(tokens(8, graph.vocab, n), [n]),
    weights: algebra.floats(
      Float32Array.from({ length: n }, (_, i) => (i % 5 === 0 ? 0 : 1)),
      [n],
    ),
    positions: algebra.ints(positions, [n]),
    ...(packed ? { segments: algebra.ints(segments, [sequences, length]) } : {}),
  };
  const losses = microBatchStep(algebra, state, batch, recompute, scale);
  const read = (x: T): Float32Array => algebra.read(x);
  const result = {
    loss: read(losses).reduce((a, b) => a + b, 0),
    gradients: new Map([...state.gradients].map(([name, g]) => [name, read(g)])),
  };
  algebra.free(losses);
  for (const t of [...state.weights.values(), ...state.gradients.values()]) algebra.free(t);
  for (const { cos, sin } of state.rope.values()) {
    algebra.free(cos);
    algebra.free(sin);
  }
  for (const t of [batch.tokens, batch.targets, batch.weights, batch.positions]) algebra.free(t);
  if (batch.segments !== undefined) algebra.free(batch.segments);
  return result;
}

const modes: Record<string, RecomputeLayer[]> = {
  none: [],
  full: [0, 1, 2, 3].map((layer) => ({ layer, mode: "full", ops: [], offload: [] })),
  selective: [{ layer: 1, mode: "ops", ops: ["attn.core"], offload: [] }],
  "a few ops": [1, 2].map((layer) => ({
    layer,
    mode: "ops",
    ops: ["attn.norm", "attn.rope", "mlp.norm", "mlp.act", "mlp.up"],
    offload: [],
  })),
};

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

  const others = (["cpu", "tensorflow"] as const).filter(isAvailable);
  it.each(others)("has the same gradients on %s", async (name) => {
    const weights = values(graph);
    const ours = step(backend.algebra, graph, weights, [], 1);
    const other = step((await startBackend(name)).algebra, graph, weights, modes.full!, 1);
    expect(Math.abs(other.loss / ours.loss - 1)).toBeLessThan(1e-5);
    // Some are nothing but rounding (a key's bias moves all scores alike): rounding of the largest is what they are held to.
    const largest = Math.max(
      ...[...ours.gradients.values()].map((g) => g.reduce((t, x) => Math.max(t, Math.abs(x)), 0)),
    );
    for (const [name, g] of ours.gradients) {
      const scale = g.reduce((top, x) => Math.max(top, Math.abs(x)), 0);
      other.gradients.get(name)!.forEach((x, i) => {
        if (Math.abs(x - g[i]!) > 1e-4 * scale + 1e-6 * largest) expect.fail(`${name} at ${i}: ${x}, not ${g[i]}`);
      });
    }
  });

  // The plain CPU is slow: one mode is enough of what it shares with TensorFlow.
  const cases = (["wasm", ...others] as const).flatMap((name) =>
    Object.keys(modes)
      .filter((mode) => name !== "cpu" || mode === "a few ops")
      .map((mode) => [name, mode] as const),
  );
  it.each(cases)("on %s frees everything and peaks where the shapes say (%s)", async (name, mode) => {
    const dry = dryRun(name, { matmulFlops: 1, elementwiseBandwidth: 1, launchSeconds: 0, transcendentals: 1 });
    const weights = values(graph);
    const { algebra, meter } = await startBackend(name);
    const before = meter.bytes;
    meter.reset();
    step(algebra, graph, weights, modes[mode]!, 1);
    step(dry.algebra, graph, weights, modes[mode]!, 1);
    expect(meter.bytes).toBe(before);
    expect(dry.bytes()).toBe(0);
    expect(meter.peak - before).toBe(dry.peak());
  });
});
