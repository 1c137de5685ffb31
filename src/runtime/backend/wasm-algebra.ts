/** The algebra on tfjs-backend-wasm: tensors are TensorFlow.js tensors, the work is done by our kernels on their memory. */
import type { Tensor } from "@tensorflow/tfjs-core";
import type {
  ActivationKind,
  AdamStep,
  Algebra,
  AttentionSpec,
  LoopCost,
  LoopWork,
  Meter,
  NormSpec,
  RopeSpec,
  RoundFormat,
} from "../../program/index.js";
import { attentionScratch, checkIds, rangeOf } from "../../program/index.js";
import type { Kernels } from "../kernels/index.js";
import type { WasmMemory } from "./wasm-memory.js";

const kinds: Readonly<Record<ActivationKind, number>> = { silu: 0, gelu: 1, gelu_tanh: 2, relu: 3, relu_squared: 4 };

export class WasmAlgebra implements Algebra<Tensor> {
  constructor(
    private readonly memory: WasmMemory,
    private readonly k: Kernels,
    private readonly meter: Meter,
  ) {}

  private at(x: Tensor | undefined): number {
    return x === undefined ? 0 : this.memory.pointer(x);
  }
  private make(shape: readonly number[], dtype: "float32" | "int32" = "float32"): Tensor {
    const tensor = this.memory.allocate(shape, dtype);
    this.meter.add(4 * tensor.size);
    return tensor;
  }
  clear(x: Tensor): void {
    this.memory.floats(x).fill(0);
  }

  shape(x: Tensor): readonly number[] {
    return x.shape;
  }
  free(x: Tensor): void {
    if (this.memory.references(x) === 1) this.meter.remove(4 * x.size);
    x.dispose();
  }
  share(x: Tensor): Tensor {
    return this.memory.alias(x, x.shape);
  }
  view(x: Tensor, shape: readonly number[]): Tensor {
    return this.memory.alias(x, shape);
  }
  rows(x: Tensor, first: number, rows: number): Tensor {
    const width = x.size / x.shape[0]!;
    const y = this.make([rows, ...x.shape.slice(1)], x.dtype as "float32" | "int32");
    this.memory.copy(this.at(y), this.at(x) + 4 * first * width, 4 * rows * width);
    return y;
  }
  putRows(into: Tensor, x: Tensor, first: number): void {
    const width = into.size / into.shape[0]!;
    this.memory.copy(this.at(into) + 4 * first * width, this.at(x), 4 * x.size);
  }
  zeros(shape: readonly number[]): Tensor {
    const x = this.make(shape);
    this.clear(x);
    return x;
  }
  floats(values: Float32Array, shape: readonly number[]): Tensor {
    const x = this.make(shape);
    this.memory.floats(x).set(values);
    return x;
  }
  ints(values: Int32Array, shape: readonly number[]): Tensor {
    const x = this.make(shape, "int32");
    this.memory.ints(x).set(values);
    return x;
  }
  private multiply2(c: Tensor, a: Tensor, b: Tensor, ta: boolean, tb: boolean, add: boolean): void {
    const [m, depth] = ta ? [a.shape[1]!, a.shape[0]!] : [a.shape[0]!, a.shape[1]!];
    const n = tb ? b.shape[0]! : b.shape[1]!;
    this.k.gemm(
      ...([m, n, depth] as const),
      ...([this.at(a), a.shape[1]!, +ta] as const),
      ...([this.at(b), b.shape[1]!, +tb] as const),
      ...([this.at(c), n, 1, +add, this.memory.gemmScratch] as const),
    );
  }
  matmul(a: Tensor, b: Tensor, ta: boolean, tb: boolean): Tensor {
    const c = this.make([ta ? a.shape[1]! : a.shape[0]!, tb ? b.shape[0]! : b.shape[1]!]);
    this.multiply2(c, a, b, ta, tb, false);
    return c;
  }
  matmulInto(into: Tensor, a: Tensor, b: Tensor, ta: boolean, tb: boolean): void {
    this.multiply2(into, a, b, ta, tb, true);
  }
  private copyOf(x: Tensor): Tensor {
    const y = this.make(x.shape);
    this.memory.copy(this.at(y), this.at(x), 4 * x.size);
    return y;
  }
  add(a: Tensor, b: Tensor): Tensor {
    const y = this.copyOf(a);
    this.k.axpy(b.size, 1, this.at(b), this.at(y));
    return y;
  }
  multiply(a: Tensor, b: Tensor): Tensor {
    const y = this.make(a.shape);
    this.k.product(a.size, this.at(a), this.at(b), this.at(y));
    return y;
  }
  scale(x: Tensor, factor: number): Tensor {
    const y = this.zeros(x.shape);
    this.k.axpy(x.size, factor, this.at(x), this.at(y));
    return y;
  }
  addInto(into: Tensor, x: Tensor, factor = 1): void {
    this.k.axpy(x.size, factor, this.at(x), this.at(into));
  }
  addBias(x: Tensor, bias: Tensor): void {
    this.k.addBias(this.at(x), this.at(bias), x.size / bias.size, bias.size);
  }
  sumRowsInto(into: Tensor, x: Tensor): void {
    const part = this.make([2 * into.size]);
    const sum = this.at(part) + 4 * into.size;
    this.k.sumRows(this.at(x), sum, this.at(part), x.size / into.size, into.size);
    this.k.axpy(into.size, 1, sum, this.at(into));
    this.free(part);
  }
  norm(x: Tensor, w: Tensor | undefined, b: Tensor | undefined, spec: NormSpec) {
    const dim = x.shape.at(-1)!;
    const rows = x.size / dim;
    const y = this.make(x.shape);
    const mean = spec.centre ? this.make([rows]) : undefined;
    const rstd = this.make([rows]);
    this.k.norm(
      ...([this.at(x), this.at(w), this.at(b), this.at(y), this.at(mean), this.at(rstd)] as const),
      ...([rows, dim, spec.eps, spec.offset, +spec.centre] as const),
    );
    return mean === undefined ? { y, rstd } : { y, mean, rstd };
  }
  normBackward(
    dy: Tensor,
    x: Tensor,
    w: Tensor | undefined,
    stats: { readonly mean?: Tensor | undefined; readonly rstd: Tensor },
    dw: Tensor | undefined,
    db: Tensor | undefined,
    spec: NormSpec,
  ): Tensor {
    const dim = x.shape.at(-1)!;
    const dx = this.make(x.shape);
    this.k.normBackward(
      ...([this.at(dy), this.at(x), this.at(w), this.at(stats.mean), this.at(stats.rstd)] as const),
      ...([this.at(dx), this.at(dw), this.at(db), x.size / dim, dim, spec.offset, +spec.centre] as const),
    );
    return dx;
  }
  activation(kind: ActivationKind, x: Tensor): Tensor {
    const y = this.make(x.shape);
    this.k.activation(kinds[kind], this.at(x), this.at(y), x.size);
    return y;
  }
  activationBackward(kind: ActivationKind, x: Tensor, dy: Tensor): Tensor {
    const dx = this.make(x.shape);
    this.k.activationBackward(kinds[kind], this.at(x), this.at(dy), this.at(dx), x.size);
    return dx;
  }
  gated(kind: ActivationKind, gate: Tensor, up: Tensor): Tensor {
    const y = this.make(gate.shape);
    this.k.gated(kinds[kind], this.at(gate), this.at(up), this.at(y), gate.size);
    return y;
  }
  gatedBackward(kind: ActivationKind, gate: Tensor, up: Tensor, dy: Tensor): readonly [Tensor, Tensor] {
    const dg = this.make(gate.shape);
    const du = this.make(gate.shape);
    this.k.gatedBackward(
      ...([kinds[kind], this.at(gate), this.at(up), this.at(dy), this.at(dg), this.at(du), gate.size] as const),
    );
    return [dg, du];
  }
  softcap(x: Tensor, cap: number): Tensor {
    const y = this.make(x.shape);
    this.k.softcap(this.at(x), this.at(y), x.size, cap);
    return y;
  }
  softcapBackward(y: Tensor, dy: Tensor, cap: number): Tensor {
    const dx = this.make(y.shape);
    this.k.softcapBackward(this.at(y), this.at(dy), this.at(dx), y.size, cap);
    return dx;
  }
  rope(x: Tensor, cos: Tensor, sin: Tensor, positions: Tensor, s: RopeSpec, sign: 1 | -1): Tensor {
    checkIds("position", rangeOf(this.memory.ints(positions)), cos.shape[0]!);
    const y = this.make(x.shape);
    this.k.rope(
      ...([this.at(x), this.at(y), this.at(cos), this.at(sin), this.at(positions), positions.size] as const),
      ...([s.heads, s.dim, s.start, s.rotary, +s.interleaved, sign] as const),
    );
    return y;
  }
  /** Work space for the attention kernel: its two score blocks, and the shared buffers of its GEMM right behind. */
  private scratch(keys: number): { readonly at: number; readonly free: () => void } {
    const count = attentionScratch(keys);
    const x = this.make([count]);
    return { at: this.at(x), free: () => this.free(x) };
  }
  attention(q: Tensor, k: Tensor, v: Tensor, segments: Tensor | undefined, s: AttentionSpec) {
    const o = this.make([q.shape[0]!, s.heads * s.valueDim]);
    const lse = this.make([s.batch, s.heads, s.rows]);
    const scratch = this.scratch(s.keys);
    this.k.attention(
      ...([this.at(q), this.at(k), this.at(v), this.at(o), this.at(lse), this.at(segments)] as const),
      ...([s.batch, s.rows, s.keys, s.heads, s.kvHeads, s.dim, s.valueDim, s.scale, s.cap] as const),
      ...([+s.causal, s.window, scratch.at, this.memory.gemmScratch] as const),
    );
    scratch.free();
    return { o, lse };
  }
  attentionBackward(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    o: Tensor,
    lse: Tensor,
    dout: Tensor,
    segments: Tensor | undefined,
    s: AttentionSpec,
  ): readonly [Tensor, Tensor, Tensor] {
    const dq = this.make(q.shape);
    const dk = this.zeros(k.shape);
    const dv = this.zeros(v.shape);
    const scratch = this.scratch(s.keys);
    this.k.attentionBackward(
      ...([this.at(q), this.at(k), this.at(v), this.at(o), this.at(lse), this.at(dout)] as const),
      ...([this.at(dq), this.at(dk), this.at(dv), this.at(segments)] as const),
      ...([s.batch, s.rows, s.keys, s.heads, s.kvHeads, s.dim, s.valueDim, s.scale, s.cap] as const),
      ...([+s.causal, s.window, scratch.at, this.memory.gemmScratch] as const),
    );
    scratch.free();
    return [dq, dk, dv];
  }
  embedding(w: Tensor, ids: Tensor): Tensor {
    const [rows, dim] = w.shape as [number, number];
    checkIds("id", rangeOf(this.memory.ints(ids)), rows);
    const y = this.make([ids.size, dim]);
    const table = this.memory.floats(w);
    const out = this.memory.floats(y);
    const index = this.memory.ints(ids);
    for (let i = 0; i < index.length; i++) {
      const row = index[i]! * dim;
      out.set(table.subarray(row, row + dim), i * dim);
    }
    return y;
  }
  embeddingBackwardInto(dw: Tensor, ids: Tensor, dy: Tensor): void {
    this.k.addRows(...([this.at(dy), this.at(ids), this.at(dw), ids.size, dw.shape[1]!, dw.shape[0]!] as const));
  }
  crossEntropy(logits: Tensor, targets: Tensor, weights: Tensor, scale: number, gradient: boolean): Tensor {
    const [rows, vocab] = logits.shape as [number, number];
    checkIds("target id", rangeOf(this.memory.ints(targets)), vocab);
    const losses = this.make([rows]);
    this.k.crossEntropy(
      ...([this.at(logits), this.at(targets), this.at(weights), this.at(losses), rows, vocab] as const),
      ...([scale, +gradient] as const),
    );
    return losses;
  }
  round(x: Tensor, f: RoundFormat): void {
    const at = this.at(x);
    this.k.roundTo(at, at, x.size, f.mantissa, f.emin, f.largest, +f.saturate);
  }
  adamw(p: Tensor, m: Tensor, v: Tensor, g: Tensor, s: AdamStep): void {
    this.k.adamw(
      ...([this.at(p), this.at(m), this.at(v), this.at(g), p.size, s.lr, s.beta1, s.beta2, s.eps, s.decay] as const),
      ...([1 - s.beta1 ** s.t, 1 - s.beta2 ** s.t, s.scale] as const),
    );
  }
  loop(
    inputs: readonly Tensor[],
    shapes: readonly (readonly number[])[],
    _cost: LoopCost,
    work: LoopWork,
  ): readonly Tensor[] {
    const made = shapes.map((shape) => this.zeros(shape));
    // Views are taken last: an allocation may move the memory.
    work(
      inputs.map((x) => (x.dtype === "int32" ? this.memory.ints(x) : this.memory.floats(x))),
      made.map((x) => this.memory.floats(x)),
    );
    return made;
  }
  sumOfSquares(x: Tensor): number {
    return this.k.sumOfSquares(this.at(x), x.size);
  }
  largest(x: Tensor): number {
    return this.k.largest(this.at(x), x.size);
  }
  read(x: Tensor): Float32Array {
    return this.memory.floats(x).slice();
  }
}
