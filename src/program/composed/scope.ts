/** Intermediate tensors of one operation: counted while they live, gone at its end unless kept. */
import type { Meter } from "../meter.js";
import type { Binary, Primitives, Unary } from "../primitives.js";

export class Scope<P> {
  private readonly made = new Set<P>();
  private readonly uncounted: P[] = [];
  constructor(
    readonly on: Primitives<P>,
    private readonly meter: Meter,
  ) {}

  /** Takes a tensor into the scope. */
  own(x: P): P {
    this.meter.add(this.on.bytes(x));
    this.made.add(x);
    return x;
  }
  /** Frees what is no longer wanted before the end. */
  drop(...tensors: readonly P[]): void {
    for (const x of tensors) {
      if (!this.made.delete(x)) throw new Error("not a tensor of this scope");
      this.meter.remove(this.on.bytes(x));
      this.on.dispose(x);
    }
  }
  /** Outlives the scope; who takes it frees it. */
  keep(x: P): P {
    if (!this.made.delete(x)) throw new Error("not a tensor of this scope");
    return x;
  }
  /** What `work` makes of a tensor's own memory. */
  renewed(x: P, work: (x: P) => P): P {
    const result = work(this.keep(x));
    this.made.add(result);
    return result;
  }
  /** A part whose intermediates go before this scope ends; what `work` gives belongs to this scope. */
  part(work: (part: Scope<P>) => readonly P[]): readonly P[] {
    const inner = new Scope(this.on, this.meter);
    const results = work(inner);
    for (const x of results) this.made.add(inner.keep(x));
    inner.end();
    return results;
  }
  end(): void {
    for (const x of this.uncounted) this.on.dispose(x);
    this.drop(...this.made);
  }

  shape(x: P): readonly number[] {
    return this.on.shape(x);
  }
  /** Another shape of the same data, without a copy. */
  as(x: P, shape: readonly number[]): P {
    const have = this.on.shape(x);
    if (have.length === shape.length && have.every((n, i) => n === shape[i])) return x;
    const alias = this.on.reshape(x, shape);
    this.uncounted.push(alias);
    return alias;
  }
  private with2(op: Binary, a: P, b: P | number): P {
    if (typeof b !== "number") return this.own(this.on.binary(op, a, b));
    const kept = this.on.fused.scalar?.(b);
    if (kept !== undefined) return this.own(this.on.binary(op, a, kept));
    const scalar = this.on.fill([], b);
    const result = this.on.binary(op, a, scalar);
    this.on.dispose(scalar);
    return this.own(result);
  }
  add = (a: P, b: P | number): P => this.with2("add", a, b);
  sub = (a: P, b: P | number): P => this.with2("subtract", a, b);
  mul = (a: P, b: P | number): P => this.with2("multiply", a, b);
  div = (a: P, b: P | number): P => this.with2("divide", a, b);
  max = (a: P, b: P | number): P => this.with2("maximum", a, b);
  min = (a: P, b: P | number): P => this.with2("minimum", a, b);
  greater = (a: P, b: P | number): P => this.with2("greater", a, b);
  equal = (a: P, b: P | number): P => this.with2("equal", a, b);
  unary(op: Unary, x: P): P {
    return this.own(this.on.unary(op, x));
  }
  /** Truth values as 0 and 1. */
  cast(x: P): P {
    return this.own(this.on.cast(x));
  }
  select(condition: P, yes: P, no: P): P {
    return this.own(this.on.select(condition, yes, no));
  }
  matmul(a: P, b: P, transposeA = false, transposeB = false): P {
    return this.own(this.on.matmul(a, b, transposeA, transposeB));
  }
  sum(x: P, axis: number): P {
    return this.own(this.on.reduce("sum", x, axis));
  }
  /** Column sums of a matrix [1, width]; of many rows in two stages, since libraries add fp32 one after the other. */
  columns(x: P): P {
    const [rows, width] = this.shape(x) as [number, number];
    if (rows < 1024 || rows % 64 !== 0) return this.sum(x, 0);
    return this.sum(this.as(this.sum(this.as(x, [rows / 64, 64, width]), 1), [rows / 64, width]), 0);
  }
  largest(x: P, axis: number): P {
    return this.own(this.on.reduce("max", x, axis));
  }
  transpose(x: P, permutation: readonly number[]): P {
    return this.own(this.on.transpose(x, permutation));
  }
  /** The tensor itself where all of it is wanted. */
  slice(x: P, axis: number, first: number, count: number): P {
    if (first === 0 && this.shape(x)[axis] === count) return x;
    return this.own(this.on.slice(x, axis, first, count));
  }
  /** A single part stays what it is. */
  concat(parts: readonly P[], axis: number): P {
    return parts.length === 1 ? parts[0]! : this.own(this.on.concat(parts, axis));
  }
  pad(x: P, axis: number, before: number, after: number): P {
    return before === 0 && after === 0 ? x : this.own(this.on.pad(x, axis, before, after));
  }
  floats(values: Float32Array, shape: readonly number[]): P {
    return this.own(this.on.floats(values, shape));
  }
}
