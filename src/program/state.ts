/** Where a model's weights, gradients and tables are made: the same order on every algebra. */
import type { ModelGraph, WeightSpec } from "../model/graph.js";
import type { Algebra } from "./algebra.js";
import { layerNumbers, type ModelState } from "./model.js";
import { freePacked, type Packed, putPacked, unpacked } from "./nf4.js";
import { ropeKey, ropeTables } from "./rope-tables.js";

export interface NamedWeight {
  readonly name: string;
  readonly spec: WeightSpec;
}

/** Every stored weight once, in stack order; tied ones belong to their owner. */
export function storedWeights(graph: ModelGraph): readonly NamedWeight[] {
  const numbers = layerNumbers(graph);
  return graph.stack.flatMap((id, i) =>
    Object.values(graph.kinds[id]!.weights)
      .filter((spec) => spec.tiedTo === undefined)
      .flatMap((spec) => {
        const name = spec.name.replaceAll("{layer}", String(numbers[i]));
        const experts = name.includes("{expert}") ? spec.copies : 1;
        return Array.from({ length: experts }, (_, e) => ({ name: name.replaceAll("{expert}", String(e)), spec }));
      }),
  );
}

/**
 * A frozen model beside the trained one.
 * @param shares it is the trained one without its adapter, and so holds no weights of its own
 */
export function otherState<T>(
  algebra: Algebra<T>,
  graph: ModelGraph,
  policy: ModelState<T>,
  shares: boolean,
  positions: number,
  value: (weight: NamedWeight) => Float32Array,
): ModelState<T> {
  if (shares) return { ...policy, graph, gradients: new Map() };
  const { round } = policy;
  const state = { ...makeState(algebra, graph, positions, value, false), round };
  if (round !== undefined) for (const weight of state.weights.values()) algebra.round(weight, round);
  return state;
}

/** @param value initial values of a weight; only its size matters to the shape algebra */
export function makeState<T>(
  algebra: Algebra<T>,
  graph: ModelGraph,
  positions: number,
  value: (weight: NamedWeight) => Float32Array,
  trained = true,
): ModelState<T> {
  const weights = new Map<string, T>();
  const gradients = new Map<string, T>();
  const packed = new Map<string, Packed<T>>();
  for (const weight of storedWeights(graph)) {
    const { shape, stored, trainable } = weight.spec;
    if (stored === "nf4") {
      packed.set(weight.name, putPacked(algebra, value(weight), shape));
      continue;
    }
    weights.set(weight.name, algebra.floats(value(weight), shape));
    if (trained && trainable) gradients.set(weight.name, algebra.zeros(shape));
  }
  const routes = Object.values(graph.kinds).some((kind) => kind.ops.some((op) => op.kind === "router"));
  const some = {
    ...(packed.size === 0 ? {} : { packed }),
    ...(routes ? { routing: { layers: new Map(), auxScale: 0 } } : {}),
  };
  return { graph, weights, gradients, ...some, rope: makeRope(algebra, graph, positions) };
}

export function freeState<T>(algebra: Algebra<T>, state: ModelState<T>): void {
  for (const tensors of [state.weights, state.gradients]) for (const t of tensors.values()) algebra.free(t);
  for (const packed of state.packed?.values() ?? []) freePacked(algebra, packed);
  for (const { cos, sin } of state.rope.values()) for (const t of [cos, sin]) algebra.free(t);
}

/** A weight's values, whatever it is stored in. */
export function weightValues<T>(algebra: Algebra<T>, state: ModelState<T>, name: string): Float32Array {
  const packed = state.packed?.get(name);
  const whole = packed === undefined ? state.weights.get(name)! : unpacked(algebra, packed);
  const values = algebra.read(whole);
  if (packed !== undefined) algebra.free(whole);
  return values;
}

/** Tables of every RoPE op for so many positions, by `ropeKey`. */
export function makeRope<T>(algebra: Algebra<T>, graph: ModelGraph, positions: number): ModelState<T>["rope"] {
  const rope = new Map<string, { cos: T; sin: T }>();
  for (const kind of Object.values(graph.kinds))
    for (const op of kind.ops) {
      if (op.kind !== "rope" || rope.has(ropeKey(op))) continue;
      const { cos, sin } = ropeTables(op, positions);
      const shape = [positions, cos.length / positions];
      rope.set(ropeKey(op), { cos: algebra.floats(cos, shape), sin: algebra.floats(sin, shape) });
    }
  return rope;
}
