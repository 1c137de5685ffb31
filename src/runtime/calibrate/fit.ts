/** Rates that explain whole training steps: single operations run warmer and alone, so their own rates are too good. */
import type { ModelGraph } from "../../model/graph.js";
import type { LocalMachine } from "../../planner/types.js";
import {
  type Algebra,
  applyUpdate,
  dryRun,
  makeOptimizer,
  makeState,
  microBatchStep,
  putBatch,
  type Rates,
} from "../../program/index.js";
import type { Backend } from "../backend/index.js";

const update = { lr: 1e-4, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1, clip: 1, t: 1, lossScale: 1 };

/** `steps` training steps of `sequences` × `length` tokens; `each` hears of the end of each. */
export function train<T>(
  algebra: Algebra<T>,
  graph: ModelGraph,
  sequences: number,
  length: number,
  steps: number,
  each: (step: number) => void,
): void {
  const state = makeState(algebra, graph, length, ({ spec }) => {
    const size = spec.shape.reduce((a, b) => a * b, 1);
    return Float32Array.from({ length: size }, (_, i) => (spec.shape.length > 1 ? 0.02 * Math.sin(i * 12.9898) : 1));
  });
  const optimizer = makeOptimizer(algebra, state, "adamw");
  const n = sequences * length;
  const tokens = Int32Array.from({ length: n }, (_, i) => (i * 7919) % graph.vocab);
  const weights = new Float32Array(n).fill(1);
  for (let step = 0; step < steps; step++) {
    const batch = putBatch(algebra, { sequences, length, tokens, targets: tokens, weights });
    algebra.free(microBatchStep(algebra, state, batch, [], 1 / n));
    batch.free();
    applyUpdate(algebra, state, optimizer, { ...update, t: step + 1 });
    each(step);
  }
  for (const tensors of [state.weights, state.gradients, optimizer.m, optimizer.v])
    for (const t of tensors.values()) algebra.free(t);
  for (const { cos, sin } of state.rope.values()) {
    algebra.free(cos);
    algebra.free(sin);
  }
}

const ratesOf = (m: LocalMachine): Rates => ({
  matmulFlops: m.matmulFlops,
  elementwiseBandwidth: m.elementwiseBandwidth,
  launchSeconds: m.kernelLaunchSeconds,
  transcendentals: m.constants?.transcendentals ?? Number.POSITIVE_INFINITY,
});

interface Probe {
  readonly measured: number;
  /** Seconds of matrix products, and of all else, by the single operations' rates. */
  readonly products: number;
  readonly rest: number;
}

function probe(
  { algebra, name }: Backend,
  graph: ModelGraph,
  machine: LocalMachine,
  shape: readonly [number, number],
): Probe {
  const steps = name === "cpu" ? 2 : 6;
  const times: number[] = [];
  let began = performance.now();
  train(algebra, graph, ...shape, steps, (step) => {
    const now = performance.now();
    if (step > 0) times.push((now - began) / 1000);
    began = now;
  });
  times.sort((a, b) => a - b);
  const predicted = (rates: Rates): number => {
    const dry = dryRun(name, rates);
    // The first step of two also makes the state.
    let first = 0;
    train(dry.algebra, graph, ...shape, 2, (step) => {
      if (step === 0) first = dry.seconds();
    });
    return dry.seconds() - first;
  };
  const infinite = Number.POSITIVE_INFINITY;
  const own = ratesOf(machine);
  return {
    measured: times[Math.floor(times.length / 2)]!,
    products: predicted({ ...own, elementwiseBandwidth: infinite, launchSeconds: 0, transcendentals: infinite }),
    rest: predicted({ ...own, matmulFlops: infinite }),
  };
}

/** How much longer products and the rest take than their own rates say: least squares of relative errors, each at least as long. */
export function factors(probes: readonly Probe[]): { readonly products: number; readonly rest: number } {
  let [pp, pr, rr, p1, r1] = [0, 0, 0, 0, 0];
  for (const { measured, products, rest } of probes) {
    const [p, r] = [products / measured, rest / measured];
    pp += p * p;
    pr += p * r;
    rr += r * r;
    p1 += p;
    r1 += r;
  }
  const determinant = pp * rr - pr * pr;
  // Probes too alike to tell the two apart: one factor for both.
  const common = (p1 + r1) / (pp + 2 * pr + rr);
  if (!(determinant > 1e-4 * pp * rr)) return { products: common, rest: common };
  const products = (p1 * rr - r1 * pr) / determinant;
  const rest = (r1 * pp - p1 * pr) / determinant;
  const least = 0.7;
  if (products < least) return { products: least, rest: (r1 - least * pr) / rr };
  if (rest < least) return { products: (p1 - least * pr) / pp, rest: least };
  return { products, rest };
}

export function fit(backend: Backend, machine: LocalMachine, probes: readonly ModelGraph[]): LocalMachine {
  const shapes =
    backend.name === "cpu"
      ? ([[1, 32]] as const)
      : ([
          [4, 128],
          [1, 512],
        ] as const);
  const results = probes.flatMap((graph) => shapes.map((shape) => probe(backend, graph, machine, shape)));
  const { products, rest } = factors(results);
  return {
    ...machine,
    matmulFlops: machine.matmulFlops / products,
    elementwiseBandwidth: machine.elementwiseBandwidth / rest,
    kernelLaunchSeconds: machine.kernelLaunchSeconds * rest,
    constants: { transcendentals: (machine.constants?.transcendentals ?? 1e9) / rest },
  };
}
