/**
 * What a general tensor library offers: immutable tensors and plain operations. `ComposedAlgebra` makes the algebra of a
 * training step out of these, so a backend without kernels of our own (TensorFlow, tfjs on CPU or WebGPU) implements only this.
 */
import type { AdamStep, LoopCost, LoopWork, RoundFormat } from "./algebra.js";

export type Unary =
  | "abs"
  | "erf"
  | "exp"
  | "log"
  | "negative"
  | "relu"
  | "rsqrt"
  | "sigmoid"
  | "sqrt"
  | "square"
  | "step"
  | "tanh";
/** The last two give truth values. */
export type Binary = "add" | "subtract" | "multiply" | "divide" | "maximum" | "minimum" | "greater" | "equal";

/** Tensors are row-major fp32, int32 (ids) or truth values. Every call but `reshape` makes a tensor of its own. */
export interface Primitives<P> {
  shape(x: P): readonly number[];
  bytes(x: P): number;
  floats(values: Float32Array, shape: readonly number[]): P;
  ints(values: Int32Array, shape: readonly number[]): P;
  fill(shape: readonly number[], value: number): P;
  dispose(x: P): void;
  read(x: P): Float32Array;
  /** The same data under another shape; disposed on its own. */
  reshape(x: P, shape: readonly number[]): P;
  unary(op: Unary, x: P): P;
  /** Broadcasts as NumPy does. */
  binary(op: Binary, a: P, b: P): P;
  /** Truth values as 0 and 1. */
  cast(x: P): P;
  select(condition: P, yes: P, no: P): P;
  /** Of matrices, or of equally many matrices each [batch, rows, columns]. */
  matmul(a: P, b: P, transposeA: boolean, transposeB: boolean): P;
  /** Over one axis, which stays with size 1. */
  reduce(op: "sum" | "max", x: P, axis: number): P;
  transpose(x: P, permutation: readonly number[]): P;
  slice(x: P, axis: number, first: number, count: number): P;
  concat(parts: readonly P[], axis: number): P;
  /** Zeros around one axis. */
  pad(x: P, axis: number, before: number, after: number): P;
  /** Rows of a matrix by ids. */
  gather(table: P, ids: P): P;
  /** [rows, width]: sums of the rows of x that have the same id. */
  scatterAdd(x: P, ids: P, rows: number): P;
  oneHot(ids: P, depth: number): P;
  /** `Algebra.loop`: the new tensors, then one for each of the inputs `written`. */
  loop(
    inputs: readonly P[],
    shapes: readonly (readonly number[])[],
    cost: LoopCost,
    work: LoopWork,
    written: readonly number[],
  ): readonly P[];

  /** Faster ways that some libraries have; what is missing is composed of the above. */
  readonly fused: {
    /** A constant that the library keeps for the next time: not disposed. */
    scalar?(value: number): P;
    /** Softmax of each row; `pick`: one value of each row [rows, 1]; `subtractAt`: takes x, less `values` [rows] at those places. */
    readonly rows?: {
      softmax(x: P): P;
      pick(x: P, ids: P): P;
      subtractAt(x: P, ids: P, values: P): P;
    };
    /** Takes p, m and v and gives them back changed; decay is the caller's. */
    adam?(p: P, m: P, v: P, g: P, step: Omit<AdamStep, "decay" | "scale">): readonly [p: P, m: P, v: P];
    sumOfSquares?(x: P): number;
    round?(x: P, format: RoundFormat): P;
  };
}

/** Shape of `a op b`. */
export function broadcast(a: readonly number[], b: readonly number[]): readonly number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x !== y && x !== 1 && y !== 1) throw new Error(`shapes [${a}] and [${b}] do not fit`);
    return Math.max(x, y);
  });
}
