/** What a graph costs: parameters, FLOPs and saved bytes of every op, by token of sequences of one length. */
import type { LayerKind, ModelGraph, Op, TensorSpec, WeightSpec } from "./graph.js";

export interface OpFigures {
  readonly id: string;
  readonly kind: Op["kind"];
  readonly module: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly weights: readonly string[];
  /** Of this op in one layer; a tied weight counts where it is stored. */
  readonly parameters: number;
  readonly trainable: number;
  /** Forward FLOPs a token; two for each multiply-add. */
  readonly forwardFlops: number;
  /** Gradients of the input, and of the weights where they are trained; what kernels recompute is not counted. */
  readonly backwardFlops: number;
  /** Bytes a token that the backward needs, each tensor once: at the op that makes it. */
  readonly savedBytes: number;
}

export interface KindFigures {
  readonly id: string;
  /** How many layers of the stack are of this kind. */
  readonly layers: number;
  readonly parameters: number;
  readonly trainable: number;
  readonly forwardFlops: number;
  readonly backwardFlops: number;
  /** With the layer's own input. */
  readonly savedBytes: number;
  readonly inputBytes: number;
  readonly ops: readonly OpFigures[];
}

export interface GraphFigures {
  readonly length: number;
  /** Of the whole stack, a token. */
  readonly forwardFlops: number;
  readonly trainingFlops: number;
  readonly savedBytes: number;
  /** In the order of the stack's first use. */
  readonly kinds: readonly KindFigures[];
}

/** Positions that a query attends to, on average over a sequence. `window` 0: all before. */
export function attended(a: { readonly window: number; readonly causal: boolean }, length: number): number {
  if (a.window > 0 && a.window < length) return a.window - (a.window * (a.window - 1)) / (2 * length);
  return a.causal ? (length + 1) / 2 : length;
}

/** Forward FLOPs of a token, in sequences of `length` tokens. */
export function forwardFlops(op: Op, length: number): number {
  const span = attended({ window: Number(op.attrs.window ?? 0), causal: op.attrs.causal !== false }, length);
  return op.flopsPerToken + op.flopsPerTokenPair * span;
}

/** Bytes of a token's share of a tensor; `act` in 16 bits unless told. Routed rows count once for each expert of a token. */
export function bytesPerToken(t: TensorSpec, routed: number, activation = 2): number {
  const size = { act: activation, fp32: 4, int32: 4, bool: 1 }[t.dtype];
  return t.shape.reduce<number>((n, d) => n * (typeof d === "number" ? d : d === "routed_tokens" ? routed : 1), size);
}

export function figuresOf(graph: ModelGraph, length: number, activation = 2): GraphFigures {
  const kinds = [...new Set(graph.stack)].map((id) => {
    const layers = graph.stack.filter((one) => one === id).length;
    return kindFigures(graph.kinds[id] as LayerKind, layers, length, activation);
  });
  const sum = (of: (k: KindFigures) => number): number => kinds.reduce((n, k) => n + k.layers * of(k), 0);
  return {
    length,
    forwardFlops: sum((k) => k.forwardFlops),
    trainingFlops: sum((k) => k.forwardFlops + k.backwardFlops),
    savedBytes: sum((k) => k.savedBytes),
    kinds,
  };
}

const elements = (w: WeightSpec): number => (w.tiedTo === undefined ? w.shape.reduce((a, b) => a * b, w.copies) : 0);

function kindFigures(kind: LayerKind, layers: number, length: number, activation: number): KindFigures {
  const routed = kind.ops.reduce((n, op) => Math.max(n, Number(op.attrs.topK ?? 1)), 1);
  const bytes = (id: string): number => {
    const tensor = kind.tensors[id];
    return tensor === undefined ? 0 : bytesPerToken(tensor, routed, activation);
  };
  const makers = new Set(kind.ops.flatMap((op) => op.outputs));
  const saved = new Set(kind.ops.flatMap((op) => op.saves));
  const claimed = new Set<string>([kind.input]);
  const ops = kind.ops.map((op): OpFigures => {
    // What no op makes (the attention's log-sum-exp) belongs to the op that saves it.
    const own = [...op.outputs, ...op.saves.filter((id) => !makers.has(id))].filter(
      (id) => saved.has(id) && !claimed.has(id),
    );
    for (const id of own) claimed.add(id);
    const weights = op.weights.flatMap((name) => kind.weights[name] ?? []);
    const trains = weights.some((w) => w.trainable);
    const forward = forwardFlops(op, length);
    return {
      id: op.id,
      kind: op.kind,
      module: op.module,
      inputs: op.inputs,
      outputs: op.outputs,
      weights: op.weights,
      parameters: weights.reduce((n, w) => n + elements(w), 0),
      trainable: weights.reduce((n, w) => n + (w.trainable ? elements(w) : 0), 0),
      forwardFlops: forward,
      backwardFlops: forward * (op.weights.length === 0 || trains ? 2 : 1),
      savedBytes: own.reduce((n, id) => n + bytes(id), 0),
    };
  });
  const all = Object.values(kind.weights);
  const sum = (of: (op: OpFigures) => number): number => ops.reduce((n, op) => n + of(op), 0);
  const inputBytes = saved.has(kind.input) ? bytes(kind.input) : 0;
  return {
    id: kind.id,
    layers,
    parameters: all.reduce((n, w) => n + elements(w), 0),
    trainable: all.reduce((n, w) => n + (w.trainable ? elements(w) : 0), 0),
    forwardFlops: sum((op) => op.forwardFlops),
    backwardFlops: sum((op) => op.backwardFlops),
    savedBytes: sum((op) => op.savedBytes) + inputBytes,
    inputBytes,
    ops,
  };
}
