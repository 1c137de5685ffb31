/** `Primitives` by the operations of TensorFlow.js, on whichever of its backends is current (cpu, webgpu). */
import type * as tfjs from "@tensorflow/tfjs-core";
import type { Binary, LoopCost, LoopWork, Primitives, Unary } from "../../program/index.js";
import { hostLoop } from "./host-loop.js";

type Tensor = tfjs.Tensor;
type Library = typeof tfjs;

export class TfjsPrimitives implements Primitives<Tensor> {
  readonly fused = {};
  private readonly unaries: Readonly<Record<Unary, (x: Tensor) => Tensor>>;
  private readonly binaries: Readonly<Record<Binary, (a: Tensor, b: Tensor) => Tensor>>;
  constructor(
    private readonly tf: Library,
    private readonly backend: string,
  ) {
    this.unaries = {
      abs: tf.abs,
      erf: tf.erf,
      exp: tf.exp,
      log: tf.log,
      negative: tf.neg,
      relu: tf.relu,
      rsqrt: tf.rsqrt,
      sigmoid: tf.sigmoid,
      sqrt: tf.sqrt,
      square: tf.square,
      step: tf.step,
      tanh: tf.tanh,
    };
    this.binaries = {
      add: tf.add,
      subtract: tf.sub,
      multiply: tf.mul,
      divide: tf.div,
      maximum: tf.maximum,
      minimum: tf.minimum,
      greater: tf.greater,
      equal: tf.equal,
    };
  }
  /** What TensorFlow.js makes on the way to a result goes at once. */
  private one(work: () => Tensor): Tensor {
    // Another backend of this process may have run in between; this one is initialised, so it is current at once.
    if (this.tf.getBackend() !== this.backend) void this.tf.setBackend(this.backend);
    return this.tf.tidy(work);
  }
  shape(x: Tensor): readonly number[] {
    return x.shape;
  }
  bytes(x: Tensor): number {
    return (x.dtype === "bool" ? 1 : 4) * x.size;
  }
  floats(values: Float32Array, shape: readonly number[]): Tensor {
    // TensorFlow.js keeps the array that it is given.
    return this.one(() => this.tf.tensor(values.slice(), [...shape], "float32"));
  }
  ints(values: Int32Array, shape: readonly number[]): Tensor {
    return this.one(() => this.tf.tensor(values.slice(), [...shape], "int32"));
  }
  fill(shape: readonly number[], value: number): Tensor {
    return this.one(() => this.tf.fill([...shape], value, "float32"));
  }
  dispose(x: Tensor): void {
    x.dispose();
  }
  read(x: Tensor): Float32Array {
    return Float32Array.from(x.dataSync());
  }
  reshape(x: Tensor, shape: readonly number[]): Tensor {
    return this.one(() => this.tf.reshape(x, [...shape]));
  }
  unary(op: Unary, x: Tensor): Tensor {
    return this.one(() => this.unaries[op](x));
  }
  binary(op: Binary, a: Tensor, b: Tensor): Tensor {
    return this.one(() => this.binaries[op](a, b));
  }
  cast(x: Tensor): Tensor {
    return this.one(() => this.tf.cast(x, "float32"));
  }
  select(condition: Tensor, yes: Tensor, no: Tensor): Tensor {
    return this.one(() => this.tf.where(condition, yes, no));
  }
  matmul(a: Tensor, b: Tensor, transposeA: boolean, transposeB: boolean): Tensor {
    return this.one(() => this.tf.matMul(a, b, transposeA, transposeB));
  }
  reduce(op: "sum" | "max", x: Tensor, axis: number): Tensor {
    return this.one(() => this.tf[op](x, axis, true));
  }
  transpose(x: Tensor, permutation: readonly number[]): Tensor {
    return this.one(() => this.tf.transpose(x, [...permutation]));
  }
  slice(x: Tensor, axis: number, first: number, count: number): Tensor {
    const begin = x.shape.map((_, i) => (i === axis ? first : 0));
    const size = x.shape.map((n, i) => (i === axis ? count : n));
    return this.one(() => this.tf.slice(x, begin, size));
  }
  concat(parts: readonly Tensor[], axis: number): Tensor {
    return this.one(() => this.tf.concat([...parts], axis));
  }
  pad(x: Tensor, axis: number, before: number, after: number): Tensor {
    const around = x.shape.map((_, i): [number, number] => (i === axis ? [before, after] : [0, 0]));
    return this.one(() => this.tf.pad(x, around));
  }
  gather(table: Tensor, ids: Tensor): Tensor {
    return this.one(() => this.tf.gather(table, ids as tfjs.Tensor1D));
  }
  scatterAdd(x: Tensor, ids: Tensor, rows: number): Tensor {
    return this.one(() => this.tf.unsortedSegmentSum(x, ids as tfjs.Tensor1D, rows));
  }
  oneHot(ids: Tensor, depth: number): Tensor {
    return this.one(() => this.tf.oneHot(ids, depth, 1, 0, "float32"));
  }
  loop(
    inputs: readonly Tensor[],
    shapes: readonly (readonly number[])[],
    _cost: LoopCost,
    work: LoopWork,
    written: readonly number[],
  ): readonly Tensor[] {
    const given = inputs.map((x) => ({ shape: x.shape, values: this.values(x) }));
    return hostLoop(this, given, shapes, work, written);
  }
  private values(x: Tensor): Float32Array | Int32Array {
    // A copy: the library may give its own memory.
    return (x.dataSync<"float32" | "int32">() as Float32Array | Int32Array).slice();
  }
}
