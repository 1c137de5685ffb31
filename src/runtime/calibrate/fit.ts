/** Rates that explain whole training steps: single operations run warmer and alone, so their own rates are too good. */
import type { ModelGraph } from "../../model/graph.js";
import { ratesOf } from "../../planner/index.js";
import type { LocalMachine } from "../../planner/types.js";
import {
  type Algebra,
  applyUpdate,
  dryRun,
  freeState,
  makeOptimizer,
  makeState,
  microBatchStep,
  numericsOf,
  putBatch,
  type Rates,
} from "../../program/index.js";
import type { Backend } from "../backend/index.js";
import { clockOf } from "./clock.js";

const update = { lr: 1e-4, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1, clip: 1, t: 1, lossScale: 1 };

/** Training steps; `each` hears of the end of each. */
export function train<T>(
  algebra: Algebra<T>,
  { graph, sequences, length, compute = "fp32" }: Probe,
  steps: number,
  each: (step: number) => void,
): void {
  const made = makeState(algebra, graph, length, ({ spec }) => {
    const size = spec.shape.reduce((a, b) => a * b, 1);
    return Float32Array.from({ length: size }, (_, i) => (spec.shape.length > 1 ? 0.02 * Math.sin(i * 12.9898) : 1));
  });
  const state = { ...made, ...numericsOf(compute, "") };
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
  freeState(algebra, state);
  for (const tensors of [optimizer.m, optimizer.v, optimizer.masters])
    for (const t of tensors.values()) algebra.free(t);
}

/** A model whose steps are measured. */
export interface Probe {
  readonly graph: ModelGraph;
  readonly sequences: number;
  readonly length: number;
  /** Compute dtype; fp32 unless given. */
  readonly compute?: string;
}

/** What a step's seconds are made of; each has its own rate. */
type Part = "products" | "attention" | "moves" | "exponentials" | "loops" | "launches";
const parts: readonly Part[] = ["products", "attention", "moves", "exponentials", "loops", "launches"];

const infinite = Number.POSITIVE_INFINITY;
const nothing: Rates = {
  matmulFlops: infinite,
  attentionFlops: infinite,
  elementwiseBandwidth: infinite,
  transcendentals: infinite,
  loopElements: infinite,
  launchSeconds: 0,
};
const only = (own: Rates): Readonly<Record<Part, Rates>> => ({
  products: { ...nothing, matmulFlops: own.matmulFlops },
  attention: { ...nothing, attentionFlops: own.attentionFlops ?? own.matmulFlops },
  moves: { ...nothing, elementwiseBandwidth: own.elementwiseBandwidth },
  exponentials: { ...nothing, transcendentals: own.transcendentals },
  loops: { ...nothing, loopElements: own.loopElements ?? own.elementwiseBandwidth / 8 },
  launches: { ...nothing, launchSeconds: own.launchSeconds },
});

/** Shares of the measured seconds of a step that the parts take by their own rates. */
function sharesOf({ algebra, name }: Backend, probe: Probe, machine: LocalMachine): readonly number[] {
  const steps = name === "cpu" ? 2 : 6;
  const clock = clockOf(name);
  const times: number[] = [];
  let began = clock();
  train(algebra, probe, steps, (step) => {
    const now = clock();
    if (step > 0) times.push(now - began);
    began = now;
  });
  times.sort((a, b) => a - b);
  const measured = times[Math.floor(times.length / 2)]!;
  const seconds = (rates: Rates): number => {
    const dry = dryRun(name, rates);
    // The first step of two also makes the state.
    let first = 0;
    train(dry.algebra, probe, 2, (step) => {
      if (step === 0) first = dry.seconds();
    });
    return dry.seconds() - first;
  };
  const rates = only(ratesOf(machine));
  return parts.map((part) => seconds(rates[part]) / measured);
}

/**
 * How many times longer each part takes than its own rate says, so that shares · factors = 1 for every probe: least squares,
 * held to 1 (a factor that no probe can tell stays there), none below a quarter.
 */
export function factors(shares: readonly (readonly number[])[], hold = 0.02): readonly number[] {
  const count = shares[0]!.length;
  const fixed = new Map<number, number>();
  for (;;) {
    const free = Array.from({ length: count }, (_, i) => i).filter((i) => !fixed.has(i));
    const targets = shares.map((row) => 1 - [...fixed].reduce((sum, [i, x]) => sum + x * row[i]!, 0));
    const matrix = free.map((i) => [
      ...free.map((j) => shares.reduce((sum, row) => sum + row[i]! * row[j]!, i === j ? hold : 0)),
      shares.reduce((sum, row, k) => sum + row[i]! * targets[k]!, hold),
    ]);
    const solved = solve(matrix);
    const low = free.filter((_, i) => solved[i]! < least);
    if (low.length === 0) return Array.from({ length: count }, (_, i) => fixed.get(i) ?? solved[free.indexOf(i)]!);
    for (const i of low) fixed.set(i, least);
  }
}
const least = 0.25;

/** Gauss's elimination of rows [coefficients…, right side]; they are positive definite. */
function solve(rows: number[][]): number[] {
  const n = rows.length;
  for (let i = 0; i < n; i++)
    for (let j = i + 1; j < n; j++) {
      const factor = rows[j]![i]! / rows[i]![i]!;
      for (let k = i; k <= n; k++) rows[j]![k] = rows[j]![k]! - factor * rows[i]![k]!;
    }
  const x = new Array<number>(n).fill(0);
  for (let i = n - 1; i >= 0; i--) {
    let rest = rows[i]![n]!;
    for (let k = i + 1; k < n; k++) rest -= rows[i]![k]! * x[k]!;
    x[i] = rest / rows[i]![i]!;
  }
  return x;
}

export function fit(backend: Backend, machine: LocalMachine, probes: readonly Probe[]): LocalMachine {
  // Plain JavaScript gets two of them, with few tokens.
  const some = backend.name === "cpu" ? probes.slice(0, 2).map((p) => ({ ...p, sequences: 1, length: 32 })) : probes;
  const found = factors(some.map((p) => sharesOf(backend, p, machine)));
  const of = (part: Part): number => found[parts.indexOf(part)]!;
  const { constants = {} } = machine;
  return {
    ...machine,
    matmulFlops: machine.matmulFlops / of("products"),
    elementwiseBandwidth: machine.elementwiseBandwidth / of("moves"),
    kernelLaunchSeconds: machine.kernelLaunchSeconds * of("launches"),
    constants: {
      ...constants,
      transcendentals: constants.transcendentals! / of("exponentials"),
      attentionFlops: constants.attentionFlops! / of("attention"),
      loopElements: constants.loopElements! / of("loops"),
    },
  };
}
