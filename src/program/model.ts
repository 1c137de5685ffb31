/** Forward and backward of one micro-batch through the whole stack. */
import type { LayerKind, ModelGraph } from "../model/graph.js";
import type { RecomputeLayer } from "../planner/plan.js";
import type { Algebra, RoundFormat } from "./algebra.js";
import type { DelayedScaling } from "./delayed.js";
import type { Fp8Recipe } from "./fp8.js";
import { type Head, headAt, headLoss, headOf, nextToken } from "./head.js";
import { type Dropped, type LayerSaved, layerBackward, layerForward } from "./layer.js";
import { type Packed, unpacked } from "./nf4.js";
import { inLayer, type Noise } from "./noise.js";
import type { OpContext } from "./ops/index.js";
import type { Routing } from "./ops/route.js";
import type { KeyValueCache } from "./ops/types.js";
import { ropeKey } from "./rope-tables.js";

export interface MicroBatch<T> {
  readonly sequences: number;
  readonly length: number;
  readonly tokens: T;
  readonly targets: T;
  readonly weights: T;
  readonly positions: T;
  readonly segments?: T;
  readonly noise?: Noise;
}

export interface ModelState<T> {
  readonly graph: ModelGraph;
  /** By full name; tied weights have no entry of their own. */
  readonly weights: ReadonlyMap<string, T>;
  readonly gradients: ReadonlyMap<string, T>;
  /** Frozen weights in 4 bits, which have no entry among `weights`. */
  readonly packed?: ReadonlyMap<string, Packed<T>> | undefined;
  /** Mixture of experts: where the tokens of the last micro-batch went. */
  readonly routing?: Routing | undefined;
  /** cos and sin tables by `ropeKey`. */
  readonly rope: ReadonlyMap<string, { readonly cos: T; readonly sin: T }>;
  readonly round?: RoundFormat | undefined;
  readonly fp8?: Fp8Recipe | undefined;
  readonly scaling?: DelayedScaling | undefined;
}

const fill = (pattern: string, layer: number): string => pattern.replaceAll("{layer}", String(layer));
const counts = (kind: LayerKind): boolean => Object.values(kind.weights).some((w) => w.name.includes("{layer}"));

/** Number of each stack entry among the decoder layers, as Hugging Face's names count them. */
export function layerNumbers(graph: ModelGraph): readonly number[] {
  let next = 0;
  return graph.stack.map((id) => (counts(graph.kinds[id]!) ? next++ : next));
}

/** Full name under which a weight is stored. */
export function weightKey(kind: LayerKind, weight: string, layer: number, expert = 0): string {
  const spec = kind.weights[weight] ?? Object.values(kind.weights).find((w) => w.name === weight);
  if (spec === undefined) throw new Error(`layer kind ${kind.id} has no weight ${weight}`);
  return fill(spec.tiedTo ?? spec.name, layer).replaceAll("{expert}", String(expert));
}

const droppedOf = (layer: RecomputeLayer | undefined): Dropped =>
  layer === undefined || layer.mode === "none" ? "none" : layer.mode === "full" ? "all" : layer.ops;

type Inputs<T> = Pick<MicroBatch<T>, "sequences" | "length" | "tokens" | "positions" | "segments" | "noise">;

/** What each layer of the stack runs in. @param trains what is computed is learned from */
export function contexts<T>(
  algebra: Algebra<T>,
  state: ModelState<T>,
  batch: Inputs<T>,
  trains: boolean,
  caches: readonly KeyValueCache<T>[] = [],
): { readonly kindAt: (i: number) => LayerKind; readonly contextOf: (i: number) => OpContext<T> } {
  const { graph } = state;
  const numbers = layerNumbers(graph);
  const kindAt = (i: number): LayerKind => graph.kinds[graph.stack[i]!]!;
  const contextOf = (i: number): OpContext<T> => ({
    algebra,
    sequences: batch.sequences,
    length: batch.length,
    tokens: batch.tokens,
    positions: batch.positions,
    segments: batch.segments,
    rope: (op) => state.rope.get(ropeKey(op))!,
    weight: (name, expert) => state.weights.get(weightKey(kindAt(i), name, numbers[i]!, expert))!,
    unpacked: (name, expert) => {
      const packed = state.packed?.get(weightKey(kindAt(i), name, numbers[i]!, expert));
      if (packed === undefined) return undefined;
      const w = unpacked(algebra, packed);
      if (state.round !== undefined) algebra.round(w, state.round);
      return w;
    },
    round: state.round,
    fp8: state.fp8,
    scaling: scalingAt(state, i, trains),
    cache: caches[i],
    noise: batch.noise === undefined ? undefined : inLayer(batch.noise, i),
    gradient: (name, expert) => state.gradients.get(weightKey(kindAt(i), name, numbers[i]!, expert)),
    routing: routingAt(state, i),
  });
  return { kindAt, contextOf };
}

function scalingAt<T>({ scaling, fp8 }: ModelState<T>, i: number, record: boolean): OpContext<T>["scaling"] {
  if (scaling === undefined || fp8 === undefined) return undefined;
  return (op, kind) => ({ slot: scaling.slot(`${i}/${op.id}/${kind}`, fp8.format(kind)), record });
}

function routingAt<T>({ routing }: ModelState<T>, i: number): OpContext<T>["routing"] {
  if (routing === undefined) return undefined;
  const layer = routing.layers.get(i) ?? {};
  routing.layers.set(i, layer);
  return { layer, auxScale: routing.auxScale, counts: routing.auxScale > 0 };
}

const release = <T>(algebra: Algebra<T>, saved: LayerSaved<T>): void => {
  for (const t of saved.tensors.values()) algebra.free(t);
};

/** A micro-batch on its way up: what the head reads, and what the layers keep for the way back. */
export interface Forwarded<T> {
  readonly hidden: T;
  readonly saved: readonly LayerSaved<T>[];
}

/** @param recompute undefined: nothing is kept for a backward */
export function forwardPass<T>(
  algebra: Algebra<T>,
  state: ModelState<T>,
  batch: Inputs<T>,
  recompute: readonly RecomputeLayer[] | undefined,
): Forwarded<T> {
  const { kindAt, contextOf } = contexts(algebra, state, batch, recompute !== undefined);
  const top = state.graph.stack.length - 1;
  const saved: LayerSaved<T>[] = [];
  let x = algebra.share(batch.tokens);
  for (let i = 0; i <= top; i++) {
    const segment = i === top ? headOf(kindAt(top)).body : kindAt(i);
    const result = layerForward(contextOf(i), segment, x, droppedAt(recompute, i));
    x = result.y;
    if (recompute === undefined) release(algebra, result.saved);
    else saved.push(result.saved);
  }
  return { hidden: x, saved };
}

/** Gradients of the layers below the head are added to the state's; takes ownership of `dx` and of what was kept. */
export function backwardPass<T>(
  algebra: Algebra<T>,
  state: ModelState<T>,
  batch: Inputs<T>,
  recompute: readonly RecomputeLayer[],
  saved: readonly LayerSaved<T>[],
  dx: T,
): void {
  const { kindAt, contextOf } = contexts(algebra, state, batch, true);
  const top = state.graph.stack.length - 1;
  let dy: T | undefined = dx;
  for (let i = top; i >= 0; i--) {
    const segment = i === top ? headOf(kindAt(top)).body : kindAt(i);
    dy = layerBackward(contextOf(i), segment, saved[i]!, dy!, droppedAt(recompute, i));
  }
  if (dy !== undefined) algebra.free(dy);
}

/** The head with the context that it runs in. */
export function headContext<T>(
  algebra: Algebra<T>,
  state: ModelState<T>,
  batch: Inputs<T>,
): { readonly context: OpContext<T>; readonly head: Head } {
  // Nothing of the head is in 8 bits.
  const { kindAt, contextOf } = contexts(algebra, state, batch, false);
  const top = state.graph.stack.length - 1;
  return { context: contextOf(top), head: headOf(kindAt(top)) };
}

const droppedAt = (recompute: readonly RecomputeLayer[] | undefined, i: number): Dropped =>
  recompute === undefined ? "all" : droppedOf(recompute.find((r) => r.layer === i));

/**
 * Losses of the micro-batch's tokens [tokens]; with `scale`, gradients of scale · Σ weight · loss are added to the state's.
 */
export function microBatchStep<T>(
  algebra: Algebra<T>,
  state: ModelState<T>,
  batch: MicroBatch<T>,
  recompute: readonly RecomputeLayer[],
  scale: number | undefined,
  temperature = 1,
): T {
  const kept = scale === undefined ? undefined : recompute;
  const { hidden, saved } = forwardPass(algebra, state, batch, kept);
  const { context, head } = headContext(algebra, state, batch);
  const loss = nextToken(context, batch.targets, batch.weights, scale);
  const warm = headAt(head, temperature);
  const { losses, dx } = headLoss(context, warm, hidden, state.graph.vocab, loss, kept !== undefined);
  if (dx !== undefined) backwardPass(algebra, state, batch, recompute, saved, dx);
  return losses;
}
