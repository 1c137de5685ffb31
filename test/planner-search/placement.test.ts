/** Checkpoint placement is exact: equal to trying everything on small problems, to a MILP solver on large ones. */
import { expect, it } from "vitest";
import { type LayerGroup, layerOptions, placeRecompute } from "../../src/planner/recompute/index.js";
import type { LayerCost } from "../../src/planner/types.js";
import { milp } from "./milp.js";

function random(seed: number): () => number {
  let a = seed;
  return () => {
    a = (Math.imul(a, 1664525) + 1013904223) | 0;
    return (a >>> 0) / 4294967296;
  };
}

/** A Llama-like layer: ids, what each saves, what each takes, what it needs. */
function layer(next: () => number, ops = 7): LayerCost {
  const list = Array.from({ length: ops }, (_, i) => ({
    id: `op${i}`,
    module: "mlp",
    savedBytes: next() < 0.2 ? 0 : Math.round(next() * 100) + 1,
    forwardSeconds: Math.round(next() * 50) + 1,
    needs: i === 0 ? [] : [`op${Math.floor(next() * i)}`],
  }));
  const forwardSeconds = list.reduce((s, o) => s + o.forwardSeconds, 0);
  const savedBytes = list.reduce((s, o) => s + o.savedBytes, 0);
  return {
    kind: "dense",
    forwardSeconds,
    backwardSeconds: 2 * forwardSeconds,
    forwardCommSeconds: 0,
    backwardCommSeconds: 0,
    savedBytes,
    inputBytes: Math.min(savedBytes, 20),
    forwardTemporaryBytes: 0,
    backwardTemporaryBytes: 0,
    ops: list,
    parameters: [0, 0],
    expertParameters: 0,
  };
}

function bruteForce(groups: readonly LayerGroup[], capacity: number): number {
  const layers = groups.flatMap((g) => new Array(g.count).fill(g) as LayerGroup[]);
  let best = Number.POSITIVE_INFINITY;
  const go = (i: number, bytes: number, transient: number, seconds: number): void => {
    if (i === layers.length) {
      if (bytes + transient <= capacity && seconds < best) best = seconds;
      return;
    }
    const g = layers[i]!;
    for (const o of g.options)
      go(i + 1, bytes + o.bytes * g.inFlight, Math.max(transient, o.transient), seconds + o.seconds);
  };
  go(0, 0, 0, 0);
  return best;
}

const holds = (groups: readonly LayerGroup[], capacity: number): void => {
  const found = placeRecompute(groups, capacity);
  if (found === undefined) return;
  let bytes = 0;
  let seconds = 0;
  let transient = 0;
  for (const [i, g] of groups.entries()) {
    expect(found.counts[i]!.reduce((a, b) => a + b, 0)).toBe(g.count);
    for (const [j, n] of found.counts[i]!.entries()) {
      const o = g.options[j]!;
      bytes += n * o.bytes * g.inFlight;
      seconds += n * o.seconds;
      if (n > 0) transient = Math.max(transient, o.transient);
    }
  }
  expect(bytes + transient).toBeLessThanOrEqual(capacity * (1 + 1e-9));
  expect(seconds).toBeCloseTo(found.seconds, 6);
};

it("equals brute force on 200 small graphs", () => {
  let placed = 0;
  for (let seed = 1; seed <= 200; seed++) {
    const next = random(seed);
    const groups = Array.from({ length: 1 + Math.floor(next() * 2) }, () => ({
      count: 1 + Math.floor(next() * 2),
      options: layerOptions(layer(next, 4)).slice(0, 8),
      inFlight: 1 + Math.floor(next() * 4),
    }));
    const most = groups.reduce((s, g) => s + g.count * g.inFlight * Math.max(...g.options.map((o) => o.bytes)), 0);
    const capacity = most * (0.2 + next());
    const best = bruteForce(groups, capacity);
    const found = placeRecompute(groups, capacity);
    expect(found?.seconds ?? Number.POSITIVE_INFINITY, `seed ${seed}`).toBe(best);
    holds(groups, capacity);
    if (found !== undefined) placed++;
  }
  expect(placed).toBeGreaterThan(100);
});

it("options are every undominated set of ops", () => {
  const cost = layer(random(5), 6);
  const options = layerOptions(cost);
  expect(options[0]).toMatchObject({ mode: "none", seconds: 0, bytes: cost.savedBytes });
  for (const a of options)
    for (const b of options)
      if (a !== b) expect(a.seconds <= b.seconds && a.bytes <= b.bytes && a.transient <= b.transient).toBe(false);
});

it("equals a MILP on stages of real size", async () => {
  for (const [seed, share] of [
    [11, 0.35],
    [12, 0.5],
    [13, 0.7],
    [14, 0.25],
  ] as const) {
    const next = random(seed);
    const groups = [
      { count: 20, options: layerOptions(layer(next, 8)), inFlight: 8 },
      { count: 12, options: layerOptions(layer(next, 7)), inFlight: 8 },
    ];
    const most = groups.reduce((s, g) => s + g.count * g.inFlight * g.options[0]!.bytes, 0);
    const start = performance.now();
    const found = placeRecompute(groups, most * share);
    expect(performance.now() - start).toBeLessThan(2000);
    const best = await milp(groups, most * share);
    expect(found?.seconds ?? Number.POSITIVE_INFINITY).toBeCloseTo(best, 3);
    holds(groups, most * share);
  }
});
