/** One training step of small models on any algebra, and what must be the same on all backends. */
import { expect, it } from "vitest";
import type { ModelGraph } from "../../src/model/graph.js";
import type { RecomputeLayer } from "../../src/planner/plan.js";
import { type Algebra, dryRun, makeState, microBatchStep, storedWeights } from "../../src/program/index.js";
import { type Backend, startBackend } from "../../src/runtime/backend/index.js";
import { gpt2, llama } from "./graphs.js";

const tiny = { vocab: 37, hidden: 24, heads: 4, kvHeads: 2, ffn: 20, layers: 2 };
export const models: Record<string, ModelGraph> = {
  "llama, grouped heads": llama(tiny),
  "llama, sliding window and softcap": llama({ ...tiny, window: 5, cap: 3 }),
  gpt2: gpt2({ ...tiny, kvHeads: 4 }),
};
export const sequences = 2;
export const length = 70;

/** Deterministic noise. */
export function noise(seed: number, n: number): Float32Array {
  let s = seed;
  return Float32Array.from({ length: n }, () => {
    s = (Math.imul(s, 1664525) + 1013904223) | 0;
    return (s >>> 8) / 2 ** 24 - 0.5;
  });
}
const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
const tokens = (seed: number, vocab: number, n: number): Int32Array =>
  Int32Array.from(noise(seed, n), (x) => Math.min(vocab - 1, Math.floor((x + 0.5) * vocab)));

export function values(graph: ModelGraph): Map<string, Float32Array> {
  return new Map(
    storedWeights(graph).map(({ name, spec }, i) => {
      const v = noise(i + 1, size(spec.shape));
      return [name, spec.shape.length > 1 ? v.map((x) => x * 0.6) : v.map((x) => 1 + 0.5 * x)];
    }),
  );
}

/** What `step` is given: two documents in a row, positions that GPT-2's table has, a fifth of the tokens not learned. */
export function rows(vocab: number) {
  const n = sequences * length;
  return {
    tokens: tokens(7, vocab, n),
    targets: tokens(8, vocab, n),
    weights: Float32Array.from({ length: n }, (_, i) => (i % 5 === 0 ? 0 : 1)),
    positions: Int32Array.from({ length: n }, (_, i) => (i % length) % 64),
    segments: Int32Array.from({ length: n }, (_, i) => (i % length < 30 ? 0 : 1)),
  };
}

export function step<T>(
  algebra: Algebra<T>,
  graph: ModelGraph,
  weights: Map<string, Float32Array>,
  recompute: readonly RecomputeLayer[],
  scale: number | undefined,
  packed = true,
) {
  const n = sequences * length;
  const state = makeState(algebra, graph, length, ({ name }) => weights.get(name)!, scale !== undefined);
  const given = rows(graph.vocab);
  const batch = {
    sequences,
    length,
    tokens: algebra.ints(given.tokens, [n]),
    targets: algebra.ints(given.targets, [n]),
    weights: algebra.floats(given.weights, [n]),
    positions: algebra.ints(given.positions, [n]),
    ...(packed ? { segments: algebra.ints(given.segments, [sequences, length]) } : {}),
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

export const modes: Record<string, RecomputeLayer[]> = {
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

/** Against our own kernels. */
export function sameGradients(name: string, start = (): Promise<Backend> => startBackend(name)): void {
  it.each(Object.keys(models))(`${name} has the gradients of wasm: %s`, async (model) => {
    const graph = models[model]!;
    const weights = values(graph);
    const ours = step((await startBackend("wasm")).algebra, graph, weights, [], 1);
    const other = step((await start()).algebra, graph, weights, modes.full!, 1);
    expect(Math.abs(other.loss / ours.loss - 1)).toBeLessThan(1e-5);
    // Some are nothing but rounding (a key's bias moves all scores alike): rounding of the largest is what they are held to.
    const top = (g: Float32Array): number => g.reduce((t, x) => Math.max(t, Math.abs(x)), 0);
    const largest = Math.max(...[...ours.gradients.values()].map(top));
    for (const [weight, g] of ours.gradients) {
      const scale = top(g);
      other.gradients.get(weight)!.forEach((x, i) => {
        if (!(Math.abs(x - g[i]!) <= 1e-4 * scale + 1e-6 * largest))
          expect.fail(`${weight} at ${i}: ${x}, not ${g[i]}`);
      });
    }
  });
}

/** Frees everything, and peaks where the shapes alone say. */
export function samePeak(
  name: string,
  which: readonly string[],
  start = (): Promise<Backend> => startBackend(name),
): void {
  const rates = { matmulFlops: 1, elementwiseBandwidth: 1, launchSeconds: 0, transcendentals: 1 };
  const cases = Object.keys(models).flatMap((model) => which.map((mode) => [model, mode] as const));
  it.each(cases)(`${name} frees everything and peaks where the shapes say: %s, recomputing %s`, async (model, mode) => {
    const graph = models[model]!;
    const dry = dryRun(name, rates);
    const weights = values(graph);
    const { algebra, meter } = await start();
    const before = meter.bytes;
    meter.reset();
    step(algebra, graph, weights, modes[mode]!, 1);
    step(dry.algebra, graph, weights, modes[mode]!, 1);
    expect(meter.bytes).toBe(before);
    expect(dry.bytes()).toBe(0);
    expect(meter.peak - before).toBe(dry.peak());
  });
}
