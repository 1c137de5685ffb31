/** The rest of an optimizer step, after its micro-batches: norm, clipping, update. */
import type { Algebra } from "./algebra.js";
import { moveBiases } from "./balance.js";
import type { MicroBatch, ModelState } from "./model.js";
import type { Noise } from "./noise.js";
import { type OptimizerKind, type Update, updateRules } from "./optimizers.js";
import { type NamedWeight, storedWeights } from "./state.js";

export interface HostBatch {
  readonly sequences: number;
  readonly length: number;
  readonly tokens: Int32Array;
  readonly targets: Int32Array;
  readonly weights: Float32Array;
  readonly segments?: Int32Array;
  readonly positions?: Int32Array;
  /** Where it is learned from with dropout. */
  readonly noise?: Noise;
}

/** A micro-batch on the algebra's side. */
export function putBatch<T>(algebra: Algebra<T>, b: HostBatch): MicroBatch<T> & { readonly free: () => void } {
  const n = b.sequences * b.length;
  const positions = b.positions ?? Int32Array.from({ length: n }, (_, i) => i % b.length);
  const segments =
    b.segments === undefined ? undefined : algebra.ints(b.segments, [b.sequences, b.segments.length / b.sequences]);
  const batch = {
    sequences: b.sequences,
    length: b.length,
    tokens: algebra.ints(b.tokens, [n]),
    targets: algebra.ints(b.targets, [n]),
    weights: algebra.floats(b.weights, [n]),
    positions: algebra.ints(positions, [n]),
    ...(segments === undefined ? {} : { segments }),
    ...(b.noise === undefined ? {} : { noise: b.noise }),
  };
  return {
    ...batch,
    free: () => {
      for (const t of [batch.tokens, batch.targets, batch.weights, batch.positions]) algebra.free(t);
      if (segments !== undefined) algebra.free(segments);
    },
  };
}

/** Choices that fell on each expert in the step, by stack index. */
const loadsOf = <T>({ routing }: ModelState<T>): ReadonlyMap<number, Float64Array> =>
  new Map([...(routing?.layers ?? [])].flatMap(([i, { load }]) => (load === undefined ? [] : [[i, load] as const])));

export type { Update } from "./optimizers.js";

/** State of the optimizer by weight name. */
export interface OptimizerState<T> {
  readonly kind: OptimizerKind;
  readonly weights: readonly NamedWeight[];
  /** What each kind keeps: see its rule. */
  readonly m: ReadonlyMap<string, T>;
  readonly v: ReadonlyMap<string, T>;
  /** fp32 masters, where the weights themselves are rounded. */
  readonly masters: ReadonlyMap<string, T>;
}

export function makeOptimizer<T>(
  algebra: Algebra<T>,
  state: ModelState<T>,
  kind: OptimizerState<T>["kind"],
): OptimizerState<T> {
  const weights = storedWeights(state.graph).filter((w) => state.gradients.has(w.name));
  const masters = new Map<string, T>();
  if (state.round !== undefined)
    for (const w of weights) masters.set(w.name, algebra.scale(state.weights.get(w.name)!, 1));
  const m = new Map<string, T>();
  const v = new Map<string, T>();
  for (const weight of weights) {
    const states = updateRules[kind].states(weight);
    if (states.m !== undefined) m.set(weight.name, algebra.zeros(states.m));
    if (states.v !== undefined) v.set(weight.name, algebra.zeros(states.v));
  }
  return { kind, weights, m, v, masters };
}

/** The weights that compute, rounded from their masters. */
export function refreshWeights<T>(algebra: Algebra<T>, state: ModelState<T>, optimizer: OptimizerState<T>): void {
  if (state.round === undefined) return;
  for (const [name, master] of optimizer.masters) {
    const weight = state.weights.get(name)!;
    algebra.clear(weight);
    algebra.addInto(weight, master);
    algebra.round(weight, state.round);
  }
}

/**
 * Updates the weights and clears the gradients. Gives the gradient norm; where that is not finite nothing is updated.
 * @param all sum of squares of the whole gradient, where this is one rank's part of it
 */
export function applyUpdate<T>(
  algebra: Algebra<T>,
  state: ModelState<T>,
  optimizer: OptimizerState<T>,
  u: Update,
  all?: number,
): number {
  let squares = all ?? 0;
  if (all === undefined) for (const g of state.gradients.values()) squares += algebra.sumOfSquares(g);
  const norm = Math.sqrt(squares) / u.lossScale;
  if (Number.isFinite(norm)) {
    const scale = (u.clip > 0 ? Math.min(1, u.clip / (norm + 1e-6)) : 1) / u.lossScale;
    for (const weight of optimizer.weights) {
      const { name, spec } = weight;
      const p = optimizer.masters.get(name) ?? state.weights.get(name)!;
      const slot = { weight, p, g: state.gradients.get(name)!, m: optimizer.m.get(name), v: optimizer.v.get(name) };
      updateRules[optimizer.kind].update(algebra, slot, { ...u, decay: spec.decay ? u.weightDecay : 0, scale });
    }
    refreshWeights(algebra, state, optimizer);
    moveBiases(algebra, state.graph, loadsOf(state), (name) => ({ bias: state.weights.get(name)!, first: 0 }));
  }
  for (const layer of state.routing?.layers.values() ?? []) delete layer.load;
  for (const g of state.gradients.values()) algebra.clear(g);
  state.scaling?.advance();
  return norm;
}
