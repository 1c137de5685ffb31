/** Every optimizer against PyTorch (make_optimizers.py), and its exact peak. */
import { readFileSync } from "node:fs";
import { beforeAll, expect, it } from "vitest";
import type { ModelGraph } from "../../src/model/graph.js";
import {
  type Algebra,
  applyUpdate,
  type ModelState,
  makeOptimizer,
  type OptimizerKind,
  ShapeAlgebra,
} from "../../src/program/index.js";
import { type Backend, startBackend } from "../../src/runtime/backend/index.js";

interface Case {
  readonly optimizer: OptimizerKind;
  readonly shape: readonly number[];
  readonly weights: readonly number[];
}
const { cases } = JSON.parse(readFileSync(`${import.meta.dirname}/fixtures/optimizers.json`, "utf8")) as {
  cases: Case[];
};
let backend: Backend;
beforeAll(async () => {
  backend = await startBackend("wasm");
});

const betas: Readonly<Record<OptimizerKind, readonly [number, number, number]>> = {
  adamw: [0.9, 0.95, 1e-8],
  sgd: [0.9, 0, 0],
  lion: [0.9, 0.99, 0],
  muon: [0.95, 0.95, 1e-8],
  adafactor: [0, 0.999, 1e-30],
};
const wave = (shape: readonly number[], k: number, by = 1): Float32Array =>
  Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * 0.37 + k) * by);

function run<T>(algebra: Algebra<T>, { optimizer: kind, shape }: Case): Float32Array {
  const spec = { name: "w", shape, decay: true, trainable: true, copies: 1 };
  const graph = { stack: ["k"], kinds: { k: { ops: [], weights: { w: spec } } } } as unknown as ModelGraph;
  const [p, g] = [algebra.floats(wave(shape, 1), shape), algebra.zeros(shape)];
  const state: ModelState<T> = { graph, weights: new Map([["w", p]]), gradients: new Map([["w", g]]), rope: new Map() };
  const optimizer = makeOptimizer(algebra, state, kind);
  const [beta1, beta2, eps] = betas[kind];
  for (let t = 1; t <= 5; t++) {
    // Twice too large, with a loss scale of two.
    const grad = algebra.floats(wave(shape, 1 + t, 2 * (0.1 + 0.05 * (t - 1))), shape);
    algebra.addInto(g, grad);
    algebra.free(grad);
    const weightDecay = kind === "adafactor" ? 0 : 0.1;
    applyUpdate(algebra, state, optimizer, { lr: 0.02, beta1, beta2, eps, weightDecay, clip: 0, t, lossScale: 2 });
  }
  const values = algebra.read(p);
  for (const x of [p, g, ...optimizer.m.values(), ...optimizer.v.values()]) algebra.free(x);
  return values;
}

it.each(cases.map((c) => [`${c.optimizer} ${c.shape}`, c] as const))("%s", (_, given) => {
  const before = backend.meter.bytes;
  backend.meter.reset();
  const values = run(backend.algebra, given);
  const shapes = new ShapeAlgebra({ matmulFlops: 1, elementwiseBandwidth: 1, launchSeconds: 0, transcendentals: 1 });
  run(shapes, given);
  expect(backend.meter.bytes).toBe(before);
  expect(backend.meter.peak - before).toBe(shapes.peak);
  values.forEach((value, i) => {
    expect(value, `${i}`).toBeCloseTo(given.weights[i]!, 4);
  });
});
