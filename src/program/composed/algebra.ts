/** The algebra of a training step on any library that offers `Primitives`: in-place operations replace what a handle holds. */
import type {
  ActivationKind,
  AdamStep,
  Algebra,
  AttentionSpec,
  LoopCost,
  LoopWork,
  NormSpec,
  RopeSpec,
  RoundFormat,
} from "../algebra.js";
import { checkIds, type IdKind, type IdRange, rangeOf } from "../ids.js";
import { Meter } from "../meter.js";
import type { Primitives } from "../primitives.js";
import { attend, attendBackward } from "./attention.js";
import { activated, rounded, slope, withSlope } from "./pointwise.js";
import { rotated } from "./rope.js";
import { Scope } from "./scope.js";

/** An immutable tensor that several handles may hold until one of them changes. */
interface Held<P> {
  readonly tensor: P;
  holders: number;
}
/** What handles to the same data share. Zeros take no memory until they are asked for. */
interface Data<P> {
  held: Held<P> | undefined;
  handles: number;
  /** Of ids. */
  readonly range?: IdRange | undefined;
}
export interface Cell<P> {
  readonly data: Data<P>;
  readonly shape: readonly number[];
}

const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

export class ComposedAlgebra<P> implements Algebra<Cell<P>> {
  constructor(
    private readonly on: Primitives<P>,
    readonly meter: Meter = new Meter(),
  ) {}

  private handle(tensor: P | undefined, shape: readonly number[]): Cell<P> {
    return { data: { held: tensor === undefined ? undefined : { tensor, holders: 1 }, handles: 1 }, shape };
  }
  private release(held: Held<P> | undefined): void {
    if (held === undefined || --held.holders > 0) return;
    this.meter.remove(this.on.bytes(held.tensor));
    this.on.dispose(held.tensor);
  }
  private replace(x: Cell<P>, tensor: P): void {
    this.release(x.data.held);
    x.data.held = { tensor, holders: 1 };
  }
  private scoped<R>(work: (f: Scope<P>) => R): R {
    const scope = new Scope(this.on, this.meter);
    const result = work(scope);
    scope.end();
    return result;
  }
  /** The tensor of a handle in some shape (its own unless given). */
  private get(f: Scope<P>, x: Cell<P>, shape: readonly number[] = x.shape): P {
    x.data.held ??= { tensor: f.keep(f.own(this.on.fill(x.shape, 0))), holders: 1 };
    return f.as(x.data.held.tensor, shape);
  }
  private make(shape: readonly number[], work: (f: Scope<P>) => P): Cell<P> {
    return this.scoped((f) => this.handle(f.keep(work(f)), shape));
  }
  private update(x: Cell<P>, work: (f: Scope<P>, old: P) => P): void {
    this.scoped((f) => this.replace(x, f.keep(work(f, this.get(f, x)))));
  }
  /** into += what `work` makes. */
  private accumulate(into: Cell<P>, work: (f: Scope<P>) => P): void {
    this.scoped((f) => {
      const more = work(f);
      if (into.data.held === undefined) this.replace(into, f.keep(more));
      else this.replace(into, f.keep(f.add(this.get(f, into), f.as(more, into.shape))));
    });
  }

  shape(x: Cell<P>): readonly number[] {
    return x.shape;
  }
  free(x: Cell<P>): void {
    if (--x.data.handles === 0) this.release(x.data.held);
  }
  share(x: Cell<P>): Cell<P> {
    return this.view(x, x.shape);
  }
  view(x: Cell<P>, shape: readonly number[]): Cell<P> {
    x.data.handles++;
    return { data: x.data, shape };
  }
  /** Its own handle to the same tensor, which is never changed in place. */
  private copy(x: Cell<P>): Cell<P> {
    const { held } = x.data;
    if (held !== undefined) held.holders++;
    return { data: { held, handles: 1, range: x.data.range }, shape: x.shape };
  }
  rows(x: Cell<P>, first: number, rows: number): Cell<P> {
    if (first === 0 && rows === x.shape[0]) return this.copy(x);
    const part = this.make([rows, ...x.shape.slice(1)], (f) => f.slice(this.get(f, x), 0, first, rows));
    return { ...part, data: { ...part.data, range: x.data.range } };
  }
  putRows(into: Cell<P>, x: Cell<P>, first: number): void {
    const [rows] = x.shape as [number];
    if (rows === into.shape[0]) {
      const { data } = this.copy(x);
      this.release(into.data.held);
      into.data.held = data.held;
      return;
    }
    const after = first + rows;
    const rest = into.shape[0]! - after;
    this.update(into, (f, old) =>
      f.concat(
        [
          ...(first > 0 ? [f.slice(old, 0, 0, first)] : []),
          this.get(f, x, [rows, ...into.shape.slice(1)]),
          ...(rest > 0 ? [f.slice(old, 0, after, rest)] : []),
        ],
        0,
      ),
    );
  }
  zeros(shape: readonly number[]): Cell<P> {
    return this.handle(undefined, shape);
  }
  clear(x: Cell<P>): void {
    this.release(x.data.held);
    x.data.held = undefined;
  }
  floats(values: Float32Array, shape: readonly number[]): Cell<P> {
    return this.make(shape, (f) => f.floats(values, shape));
  }
  ints(values: Int32Array, shape: readonly number[]): Cell<P> {
    const made = this.make(shape, (f) => f.own(this.on.ints(values, shape)));
    return { ...made, data: { ...made.data, range: rangeOf(values) } };
  }
  matmul(a: Cell<P>, b: Cell<P>, ta: boolean, tb: boolean): Cell<P> {
    const shape = [a.shape[ta ? 1 : 0]!, b.shape[tb ? 0 : 1]!];
    return this.make(shape, (f) => f.matmul(this.get(f, a), this.get(f, b), ta, tb));
  }
  matmulInto(into: Cell<P>, a: Cell<P>, b: Cell<P>, ta: boolean, tb: boolean): void {
    this.accumulate(into, (f) => f.matmul(this.get(f, a), this.get(f, b), ta, tb));
  }
  add(a: Cell<P>, b: Cell<P>): Cell<P> {
    return this.make(a.shape, (f) => f.add(this.get(f, a), this.get(f, b, a.shape)));
  }
  multiply(a: Cell<P>, b: Cell<P>): Cell<P> {
    return this.make(a.shape, (f) => f.mul(this.get(f, a), this.get(f, b, a.shape)));
  }
  scale(x: Cell<P>, factor: number): Cell<P> {
    return factor === 1 ? this.copy(x) : this.make(x.shape, (f) => f.mul(this.get(f, x), factor));
  }
  addInto(into: Cell<P>, x: Cell<P>, factor = 1): void {
    if (factor !== 1) {
      this.accumulate(into, (f) => f.mul(this.get(f, x), factor));
    } else if (into.data.held === undefined) {
      into.data.held = this.copy(x).data.held;
    } else {
      this.update(into, (f, old) => f.add(old, this.get(f, x, into.shape)));
    }
  }
  addBias(x: Cell<P>, bias: Cell<P>): void {
    const width = count(bias.shape);
    this.update(x, (f, old) => f.add(f.as(old, [count(x.shape) / width, width]), this.get(f, bias, [width])));
  }
  sumRowsInto(into: Cell<P>, x: Cell<P>): void {
    const width = count(into.shape);
    this.accumulate(into, (f) => f.columns(this.get(f, x, [count(x.shape) / width, width])));
  }
  norm(x: Cell<P>, w: Cell<P> | undefined, b: Cell<P> | undefined, spec: NormSpec) {
    const dim = x.shape.at(-1)!;
    const rows = count(x.shape) / dim;
    return this.scoped((f) => {
      const given = this.get(f, x, [rows, dim]);
      const mean = spec.centre ? f.mul(f.sum(given, 1), 1 / dim) : undefined;
      const centred = mean === undefined ? given : f.sub(given, mean);
      const squares = f.unary("square", centred);
      const rstd = f.unary("rsqrt", f.add(f.mul(f.sum(squares, 1), 1 / dim), spec.eps));
      f.drop(squares);
      let y = f.mul(centred, rstd);
      if (w !== undefined) {
        const plain = y;
        y = f.mul(plain, this.weight(f, w, spec));
        f.drop(plain);
      }
      if (b !== undefined) y = f.add(y, this.get(f, b));
      const result = { y: this.handle(f.keep(y), x.shape), rstd: this.handle(f.keep(rstd), [rows]) };
      return mean === undefined ? result : { ...result, mean: this.handle(f.keep(mean), [rows]) };
    });
  }
  private weight(f: Scope<P>, w: Cell<P>, spec: NormSpec): P {
    return spec.offset === 0 ? this.get(f, w) : f.add(this.get(f, w), spec.offset);
  }
  normBackward(
    dy: Cell<P>,
    x: Cell<P>,
    w: Cell<P> | undefined,
    stats: { readonly mean?: Cell<P> | undefined; readonly rstd: Cell<P> },
    dw: Cell<P> | undefined,
    db: Cell<P> | undefined,
    spec: NormSpec,
  ): Cell<P> {
    const dim = x.shape.at(-1)!;
    const rows = count(x.shape) / dim;
    return this.make(x.shape, (f) => {
      const grad = this.get(f, dy, [rows, dim]);
      const given = this.get(f, x, [rows, dim]);
      const rstd = this.get(f, stats.rstd, [rows, 1]);
      const centred = stats.mean === undefined ? given : f.sub(given, this.get(f, stats.mean, [rows, 1]));
      const weights = w === undefined ? undefined : f.as(this.weight(f, w, spec), [dim, 1]);
      // Sums over rows and columns as products with a vector: one pass each.
      const product = f.mul(grad, centred);
      if (dw !== undefined) this.accumulate(dw, (g) => g.matmul(product, rstd, true));
      if (db !== undefined) this.accumulate(db, (g) => g.columns(grad));
      const sum = (x: P): P => (weights === undefined ? f.sum(x, 1) : f.matmul(x, weights));
      const scaled = weights === undefined ? grad : f.mul(grad, f.as(weights, [dim]));
      const along = f.mul(centred, f.mul(f.mul(sum(product), f.unary("square", rstd)), 1 / dim));
      f.drop(product);
      const level = stats.mean === undefined ? scaled : f.sub(scaled, f.mul(sum(grad), 1 / dim));
      return f.mul(f.sub(level, along), rstd);
    });
  }
  activation(kind: ActivationKind, x: Cell<P>): Cell<P> {
    return this.make(x.shape, (f) => activated(f, kind, this.get(f, x)));
  }
  activationBackward(kind: ActivationKind, x: Cell<P>, dy: Cell<P>): Cell<P> {
    return this.make(x.shape, (f) => f.mul(slope(f, kind, this.get(f, x)), this.get(f, dy)));
  }
  gated(kind: ActivationKind, gate: Cell<P>, up: Cell<P>): Cell<P> {
    return this.make(gate.shape, (f) => f.mul(activated(f, kind, this.get(f, gate)), this.get(f, up)));
  }
  gatedBackward(kind: ActivationKind, gate: Cell<P>, up: Cell<P>, dy: Cell<P>): readonly [Cell<P>, Cell<P>] {
    return this.scoped((f) => {
      const g = this.get(f, gate);
      const d = this.get(f, dy);
      const [value, rise] = withSlope(f, kind, g);
      const dup = f.mul(value, d);
      const dgate = f.mul(f.mul(rise, this.get(f, up)), d);
      return [this.handle(f.keep(dgate), gate.shape), this.handle(f.keep(dup), up.shape)];
    });
  }
  softcap(x: Cell<P>, cap: number): Cell<P> {
    return this.make(x.shape, (f) => f.mul(f.unary("tanh", f.mul(this.get(f, x), 1 / cap)), cap));
  }
  softcapBackward(y: Cell<P>, dy: Cell<P>, cap: number): Cell<P> {
    return this.make(y.shape, (f) => {
      const slope = f.add(f.mul(f.unary("square", this.get(f, y)), -1 / cap ** 2), 1);
      return f.mul(slope, this.get(f, dy));
    });
  }
  rope(x: Cell<P>, cos: Cell<P>, sin: Cell<P>, positions: Cell<P>, spec: RopeSpec, sign: 1 | -1): Cell<P> {
    this.check("position", positions, cos.shape[0]!);
    return this.make(x.shape, (f) =>
      rotated(f, this.get(f, x), this.get(f, cos), this.get(f, sin), this.get(f, positions), spec, sign),
    );
  }
  attention(q: Cell<P>, k: Cell<P>, v: Cell<P>, segments: Cell<P> | undefined, s: AttentionSpec) {
    return this.scoped((f) => {
      const [qt, kt, vt] = [q, k, v].map((x) => this.get(f, x)) as [P, P, P];
      const { o, lse } = attend(f, qt, kt, vt, segments === undefined ? undefined : this.get(f, segments), s);
      return {
        o: this.handle(f.keep(o), [q.shape[0]!, s.heads * s.valueDim]),
        lse: this.handle(f.keep(lse), [s.batch, s.heads, s.rows]),
      };
    });
  }
  attentionBackward(
    q: Cell<P>,
    k: Cell<P>,
    v: Cell<P>,
    o: Cell<P>,
    lse: Cell<P>,
    dout: Cell<P>,
    segments: Cell<P> | undefined,
    s: AttentionSpec,
  ): readonly [Cell<P>, Cell<P>, Cell<P>] {
    return this.scoped((f) => {
      const all = { q, k, v, o, lse, dout };
      const given = Object.fromEntries(Object.entries(all).map(([n, x]) => [n, this.get(f, x)])) as Record<
        keyof typeof all,
        P
      >;
      const seen = segments === undefined ? undefined : this.get(f, segments);
      const [dq, dk, dv] = attendBackward(f, { ...given, segments: seen }, s);
      return [
        this.handle(f.keep(dq), q.shape),
        this.handle(f.keep(dk), k.shape),
        this.handle(f.keep(dv), v.shape),
      ] as const;
    });
  }
  private check(what: IdKind, ids: Cell<P>, rows: number): void {
    if (ids.data.range !== undefined) checkIds(what, ids.data.range, rows);
  }
  embedding(w: Cell<P>, ids: Cell<P>): Cell<P> {
    this.check("id", ids, w.shape[0]!);
    const n = count(ids.shape);
    return this.make([n, w.shape[1]!], (f) => f.own(this.on.gather(this.get(f, w), this.get(f, ids, [n]))));
  }
  embeddingBackwardInto(dw: Cell<P>, ids: Cell<P>, dy: Cell<P>): void {
    const [rows, dim] = dw.shape as [number, number];
    const n = count(ids.shape);
    this.accumulate(dw, (f) => f.own(this.on.scatterAdd(this.get(f, dy, [n, dim]), this.get(f, ids, [n]), rows)));
  }
  crossEntropy(logits: Cell<P>, targets: Cell<P>, weights: Cell<P>, scale: number, gradient: boolean): Cell<P> {
    const [rows, vocab] = logits.shape as [number, number];
    this.check("target id", targets, vocab);
    return this.make([rows], (f) => {
      const x = this.get(f, logits);
      const ids = this.get(f, targets, [rows]);
      const w = this.get(f, weights, [rows]);
      const top = f.largest(x, 1);
      const factor = f.mul(w, scale);
      const column = f.as(factor, [rows, 1]);
      const { rows: fused } = this.on.fused;
      if (fused !== undefined) {
        const shares = f.own(fused.softmax(x));
        // The largest logit's share is 1 over the sum of exponentials.
        const log = f.sub(top, f.unary("log", f.largest(shares, 1)));
        const losses = f.sub(log, f.own(fused.pick(x, ids)));
        if (gradient) {
          const weighted = f.mul(shares, column);
          f.drop(shares);
          this.replace(logits, f.keep(f.renewed(weighted, (y) => fused.subtractAt(y, ids, factor))));
        }
        return f.mul(f.as(losses, [rows]), w);
      }
      const shifted = f.sub(x, top);
      const target = f.own(this.on.oneHot(ids, vocab));
      const chosen = f.sum(f.mul(shifted, target), 1);
      const e = f.unary("exp", shifted);
      f.drop(shifted);
      const total = f.sum(e, 1);
      if (gradient) this.replace(logits, f.keep(f.mul(f.sub(f.div(e, total), target), column)));
      return f.mul(f.as(f.sub(f.unary("log", total), chosen), [rows]), w);
    });
  }
  round(x: Cell<P>, format: RoundFormat): void {
    this.update(x, (f, old) => rounded(f, old, format));
  }
  adamw(p: Cell<P>, m: Cell<P>, v: Cell<P>, g: Cell<P>, s: AdamStep): void {
    if (this.on.fused.adam !== undefined) {
      this.fusedAdam(p, m, v, g, s);
      return;
    }
    this.scoped((f) => {
      const grad = s.scale === 1 ? this.get(f, g) : f.mul(this.get(f, g), s.scale);
      this.accumulateDecayed(m, s.beta1, (h) => h.mul(grad, 1 - s.beta1));
      this.accumulateDecayed(v, s.beta2, (h) => {
        const square = h.unary("square", grad);
        const part = h.mul(square, 1 - s.beta2);
        h.drop(square);
        return part;
      });
    });
    this.update(p, (f, old) => {
      const root = f.unary("sqrt", this.get(f, v));
      const scaled = f.mul(root, 1 / Math.sqrt(1 - s.beta2 ** s.t));
      f.drop(root);
      const divisor = f.add(scaled, s.eps);
      f.drop(scaled);
      const move = f.div(this.get(f, m), divisor);
      f.drop(divisor);
      const change = f.mul(move, s.lr / (1 - s.beta1 ** s.t));
      f.drop(move);
      if (s.decay === 0) return f.sub(old, change);
      const kept = f.mul(old, 1 - s.lr * s.decay);
      const next = f.sub(kept, change);
      f.drop(kept);
      return next;
    });
  }
  private fusedAdam(p: Cell<P>, m: Cell<P>, v: Cell<P>, g: Cell<P>, s: AdamStep): void {
    if (s.decay !== 0) this.update(p, (f, old) => f.mul(old, 1 - s.lr * s.decay));
    this.scoped((f) => {
      const grad = s.scale === 1 ? this.get(f, g) : f.mul(this.get(f, g), s.scale);
      const cells = [p, m, v];
      const [a, b, c] = cells.map((x) => this.alone(f, x)) as [P, P, P];
      this.on.fused.adam!(a, b, c, grad, s).forEach((tensor, i) => {
        cells[i]!.data.held = { tensor, holders: 1 };
      });
    });
  }
  /** A handle's tensor, for somebody who takes it: nobody else holds it. */
  private alone(f: Scope<P>, x: Cell<P>): P {
    const tensor = this.get(f, x);
    if (x.data.held!.holders > 1) this.replace(x, f.keep(f.mul(tensor, 1)));
    return x.data.held!.tensor;
  }
  /** x = decay · x + what `work` makes. */
  private accumulateDecayed(x: Cell<P>, decay: number, work: (f: Scope<P>) => P): void {
    if (x.data.held !== undefined) this.update(x, (f, old) => f.mul(old, decay));
    this.accumulate(x, work);
  }
  loop(
    inputs: readonly Cell<P>[],
    shapes: readonly (readonly number[])[],
    cost: LoopCost,
    work: LoopWork,
    written: readonly number[] = [],
  ): readonly Cell<P>[] {
    return this.scoped((f) => {
      const given = inputs.map((x) => this.get(f, x));
      const made = this.on.loop(given, shapes, cost, work, written).map((t) => f.keep(f.own(t)));
      written.forEach((input, i) => {
        this.replace(inputs[input]!, made[shapes.length + i]!);
      });
      return shapes.map((shape, i) => this.handle(made[i]!, shape));
    });
  }
  sumOfSquares(x: Cell<P>): number {
    return this.scoped((f) => {
      const t = this.get(f, x, [count(x.shape)]);
      return this.on.fused.sumOfSquares?.(t) ?? this.on.read(f.sum(f.unary("square", t), 0))[0]!;
    });
  }
  largest(x: Cell<P>): number {
    return this.scoped((f) => this.on.read(f.largest(f.unary("abs", this.get(f, x, [count(x.shape)])), 0))[0]!);
  }
  read(x: Cell<P>): Float32Array {
    return this.scoped((f) => this.on.read(this.get(f, x)));
  }
}
