/**
 * What a training step is written in. The runtime computes it with TensorFlow.js, the planner with shapes alone: the same
 * program gives the result, the peak memory and the time. Handles are owned: who makes one frees it; operations that
 * end in `Into`, and those said to work in place, change what a handle holds.
 */
export type ActivationKind = "silu" | "gelu" | "gelu_tanh" | "relu" | "relu_squared";

export interface NormSpec {
  readonly centre: boolean;
  readonly eps: number;
  /** Added to the weight (Gemma: 1). */
  readonly offset: number;
}

export interface AttentionSpec {
  readonly batch: number;
  /** Query and key positions of each sequence. */
  readonly rows: number;
  readonly keys: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly dim: number;
  readonly valueDim: number;
  readonly scale: number;
  /** 0: none. */
  readonly cap: number;
  readonly causal: boolean;
  /** 0: none. */
  readonly window: number;
}

export interface RopeSpec {
  readonly heads: number;
  readonly dim: number;
  readonly start: number;
  readonly rotary: number;
  readonly interleaved: boolean;
}

export interface AdamStep {
  readonly lr: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly decay: number;
  /** From 1. */
  readonly t: number;
  /** Multiplies the gradient (clipping, loss scale). */
  readonly scale: number;
}

export interface RoundFormat {
  readonly mantissa: number;
  readonly emin: number;
  readonly largest: number;
  readonly saturate: boolean;
}

/** What a loop costs: values read and written, and exponentials or the like. */
export interface LoopCost {
  readonly elements: number;
  readonly exponentials?: number;
}

/** Sees the inputs' values (int32 ones as an Int32Array) and those of the new tensors, which are zeros. */
export type LoopWork = (inputs: readonly (Float32Array | Int32Array)[], outputs: readonly Float32Array[]) => void;

/** Tensors are row-major fp32, or int32 where said. */
export interface Algebra<T> {
  shape(x: T): readonly number[];
  free(x: T): void;
  /** Another handle to the same data. */
  share(x: T): T;
  /** Another handle to the same data with another shape. */
  view(x: T, shape: readonly number[]): T;
  /** `rows` rows from `first` of a matrix, as a copy. */
  rows(x: T, first: number, rows: number): T;
  zeros(shape: readonly number[]): T;
  floats(values: Float32Array, shape: readonly number[]): T;
  ints(values: Int32Array, shape: readonly number[]): T;

  /** Zeros, in place. */
  clear(x: T): void;

  /** op(a) · op(b) of two matrices. */
  matmul(a: T, b: T, transposeA: boolean, transposeB: boolean): T;
  matmulInto(into: T, a: T, b: T, transposeA: boolean, transposeB: boolean): void;
  add(a: T, b: T): T;
  multiply(a: T, b: T): T;
  scale(x: T, factor: number): T;
  /** into += factor · x */
  addInto(into: T, x: T, factor?: number): void;
  /** Adds a row to every row, in place. */
  addBias(x: T, bias: T): void;
  /** into += column sums of x. */
  sumRowsInto(into: T, x: T): void;
  /** Writes x as rows `first`… of into. */
  putRows(into: T, x: T, first: number): void;

  norm(
    x: T,
    w: T | undefined,
    b: T | undefined,
    spec: NormSpec,
  ): { readonly y: T; readonly mean?: T; readonly rstd: T };
  normBackward(
    dy: T,
    x: T,
    w: T | undefined,
    stats: { readonly mean?: T | undefined; readonly rstd: T },
    dw: T | undefined,
    db: T | undefined,
    spec: NormSpec,
  ): T;
  activation(kind: ActivationKind, x: T): T;
  activationBackward(kind: ActivationKind, x: T, dy: T): T;
  gated(kind: ActivationKind, gate: T, up: T): T;
  gatedBackward(kind: ActivationKind, gate: T, up: T, dy: T): readonly [gate: T, up: T];
  softcap(x: T, cap: number): T;
  softcapBackward(y: T, dy: T, cap: number): T;
  rope(x: T, cos: T, sin: T, positions: T, spec: RopeSpec, sign: 1 | -1): T;
  attention(q: T, k: T, v: T, segments: T | undefined, spec: AttentionSpec): { readonly o: T; readonly lse: T };
  attentionBackward(
    q: T,
    k: T,
    v: T,
    o: T,
    lse: T,
    dout: T,
    segments: T | undefined,
    spec: AttentionSpec,
  ): readonly [dq: T, dk: T, dv: T];
  /** Rows of w by int32 ids. */
  embedding(w: T, ids: T): T;
  embeddingBackwardInto(dw: T, ids: T, dy: T): void;
  /** Weighted loss of each row [rows]; with `gradient` the logits become (softmax − one-hot) · weight · scale in place. */
  crossEntropy(logits: T, targets: T, weights: T, scale: number, gradient: boolean): T;
  /** In place, to the nearest number of a smaller format. */
  round(x: T, format: RoundFormat): void;
  adamw(p: T, m: T, v: T, g: T, step: AdamStep): void;
  /**
   * Plain code over values, for what has no kernel: new tensors of `shapes`. Inputs listed in `written` are changed in place.
   */
  loop(
    inputs: readonly T[],
    shapes: readonly (readonly number[])[],
    cost: LoopCost,
    work: LoopWork,
    written?: readonly number[],
  ): readonly T[];
  sumOfSquares(x: T): number;
  largest(x: T): number;
  read(x: T): Float32Array;
}
