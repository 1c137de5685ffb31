/** Where a model's weights, gradients and tables are made: the same order on every algebra. */
import type { ModelGraph, WeightSpec } from "../model/graph.js";
import type { Algebra } from "./algebra.js";
import { layerNumbers, type ModelState } from "./model.js";
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
      .map((spec) => ({ name: spec.name.replaceAll("{layer}", String(numbers[i])), spec })),
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
  for (const weight of storedWeights(graph)) {
    weights.set(weight.name, algebra.floats(value(weight), weight.spec.shape));
    if (trained && weight.spec.trainable) gradients.set(weight.name, algebra.zeros(weight.spec.shape));
  }
  return { graph, weights, gradients, rope: makeRope(algebra, graph, positions) };
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
