import type {
  ActivationKind,
  AdamStep,
  Algebra,
  AttentionSpec,
  LoopCost,
  NormSpec,
  RopeSpec,
  RoundFormat,
} from "./algebra.js";

interface Block {
  readonly bytes: number;
  references: number;
}

export interface Shape {
  readonly dims: readonly number[];
  readonly block: Block;
}

/** What operations cost on a machine; see LocalMachine. */
export interface Rates {
  readonly matmulFlops: number;
  readonly elementwiseBandwidth: number;
  readonly launchSeconds: number;
  /** Elements/s of exponentials and the like. */
  readonly transcendentals: number;
  /** FLOP/s of the small products within attention; as `matmulFlops` unless given. */
  readonly attentionFlops?: number;
  /** Elements/s that plain JavaScript reads or writes; half of what a kernel does unless given. */
  readonly loopElements?: number;
}

/** Seconds of `Algebra.loop`. */
export const loopSeconds = ({ elements, exponentials = 0 }: LoopCost, r: Rates): number =>
  r.launchSeconds + elements / (r.loopElements ?? r.elementwiseBandwidth / 8) + exponentials / r.transcendentals;

const count = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);

/** The algebra on shapes alone: counts bytes as our WASM kernels allocate them, and seconds by the machine's rates. */
export class ShapeAlgebra implements Algebra<Shape> {
  bytes = 0;
  peak = 0;
  seconds = 0;
  constructor(private readonly rates: Rates) {}

  private make(dims: readonly number[]): Shape {
    const bytes = 4 * count(dims);
    this.bytes += bytes;
    this.peak = Math.max(this.peak, this.bytes);
    return { dims, block: { bytes, references: 1 } };
  }
  private move(elements: number, exponentials = 0): void {
    this.seconds +=
      this.rates.launchSeconds +
      (4 * elements) / this.rates.elementwiseBandwidth +
      exponentials / this.rates.transcendentals;
  }
  private attends(n: number): void {
    this.seconds += this.rates.launchSeconds + (2 * n) / (this.rates.attentionFlops ?? this.rates.matmulFlops);
  }
  private like(x: Shape, passes: number, exponentials = 0): Shape {
    this.move(passes * count(x.dims), exponentials * count(x.dims));
    return this.make(x.dims);
  }

  shape(x: Shape): readonly number[] {
    return x.dims;
  }
  free(x: Shape): void {
    if (--x.block.references === 0) this.bytes -= x.block.bytes;
  }
  share(x: Shape): Shape {
    x.block.references++;
    return { ...x };
  }
  view(x: Shape, dims: readonly number[]): Shape {
    x.block.references++;
    return { dims, block: x.block };
  }
  rows(x: Shape, _first: number, rows: number): Shape {
    const dims = [rows, ...x.dims.slice(1)];
    this.move(2 * count(dims));
    return this.make(dims);
  }
  zeros(dims: readonly number[]): Shape {
    this.move(count(dims));
    return this.make(dims);
  }
  clear(x: Shape): void {
    this.move(count(x.dims));
  }
  floats(_values: Float32Array, dims: readonly number[]): Shape {
    return this.make(dims);
  }
  ints(_values: Int32Array, dims: readonly number[]): Shape {
    return this.make(dims);
  }
  private product(a: Shape, b: Shape, ta: boolean, tb: boolean): readonly [number, number] {
    const [m, k] = ta ? [a.dims[1]!, a.dims[0]!] : [a.dims[0]!, a.dims[1]!];
    const n = tb ? b.dims[0]! : b.dims[1]!;
    // Both factors are packed before they are multiplied.
    this.move(m * k + k * n);
    this.seconds += (2 * m * n * k) / this.rates.matmulFlops;
    return [m, n];
  }
  matmul(a: Shape, b: Shape, ta: boolean, tb: boolean): Shape {
    return this.make(this.product(a, b, ta, tb));
  }
  matmulInto(_into: Shape, a: Shape, b: Shape, ta: boolean, tb: boolean): void {
    this.product(a, b, ta, tb);
  }
  add(a: Shape, _b: Shape): Shape {
    return this.like(a, 3);
  }
  multiply(a: Shape, _b: Shape): Shape {
    return this.like(a, 3);
  }
  scale(x: Shape): Shape {
    return this.like(x, 2);
  }
  addInto(into: Shape): void {
    this.move(3 * count(into.dims));
  }
  addBias(x: Shape): void {
    this.move(2 * count(x.dims));
  }
  sumRowsInto(into: Shape, x: Shape): void {
    this.move(count(x.dims) + count(into.dims));
    this.free(this.make([2 * count(into.dims)]));
  }
  putRows(_into: Shape, x: Shape): void {
    this.move(2 * count(x.dims));
  }
  norm(x: Shape, _w: Shape | undefined, _b: Shape | undefined, spec: NormSpec) {
    const y = this.like(x, 3);
    const rows = [count(x.dims) / x.dims.at(-1)!];
    return spec.centre ? { y, mean: this.make(rows), rstd: this.make(rows) } : { y, rstd: this.make(rows) };
  }
  normBackward(_dy: Shape, x: Shape): Shape {
    return this.like(x, 6);
  }
  activation(_kind: ActivationKind, x: Shape): Shape {
    return this.like(x, 2, 1);
  }
  activationBackward(_kind: ActivationKind, x: Shape, _dy: Shape): Shape {
    return this.like(x, 3, 1);
  }
  gated(_kind: ActivationKind, gate: Shape): Shape {
    return this.like(gate, 3, 1);
  }
  gatedBackward(_kind: ActivationKind, gate: Shape): readonly [Shape, Shape] {
    return [this.like(gate, 5, 2), this.make(gate.dims)];
  }
  softcap(x: Shape): Shape {
    return this.like(x, 2, 1);
  }
  softcapBackward(y: Shape): Shape {
    return this.like(y, 3);
  }
  rope(x: Shape, _cos: Shape, _sin: Shape, _positions: Shape, _spec: RopeSpec): Shape {
    return this.like(x, 2);
  }
  /** Attended pairs as the kernel computes them: in blocks of 64 rows. */
  private pairs(s: AttentionSpec): number {
    let pairs = 0;
    for (let i = 0; i < s.rows; i += 64) {
      const n = Math.min(64, s.rows - i);
      const shift = s.keys - s.rows;
      const last = s.causal ? Math.min(s.keys, i + n + shift) : s.keys;
      const first = s.window > 0 ? Math.max(0, i + shift - s.window + 1) : 0;
      pairs += n * (last - first);
    }
    return pairs * s.batch * s.heads;
  }
  attention(q: Shape, _k: Shape, _v: Shape, _segments: Shape | undefined, s: AttentionSpec) {
    const o = this.make([q.dims[0]!, s.heads * s.valueDim]);
    const lse = this.make([s.batch, s.heads, s.rows]);
    this.free(this.make([attentionScratch(s.keys)]));
    const pairs = this.pairs(s);
    this.attends(pairs * (s.dim + s.valueDim));
    this.move(4 * pairs, pairs);
    return { o, lse };
  }
  attentionBackward(
    q: Shape,
    k: Shape,
    v: Shape,
    _o: Shape,
    _lse: Shape,
    _dout: Shape,
    _segments: Shape | undefined,
    s: AttentionSpec,
  ): readonly [Shape, Shape, Shape] {
    const result = [this.make(q.dims), this.make(k.dims), this.make(v.dims)] as const;
    this.free(this.make([attentionScratch(s.keys)]));
    const pairs = this.pairs(s);
    this.attends(pairs * (3 * s.dim + 2 * s.valueDim));
    this.move(6 * pairs, pairs);
    return result;
  }
  embedding(w: Shape, ids: Shape): Shape {
    const dims = [count(ids.dims), w.dims[1]!];
    this.move(2 * count(dims));
    return this.make(dims);
  }
  embeddingBackwardInto(_dw: Shape, _ids: Shape, dy: Shape): void {
    this.move(3 * count(dy.dims));
  }
  crossEntropy(logits: Shape, _t: Shape, _w: Shape, _scale: number, gradient: boolean): Shape {
    this.move((gradient ? 5 : 2) * count(logits.dims), count(logits.dims));
    return this.make([logits.dims[0]!]);
  }
  round(x: Shape, _format: RoundFormat): void {
    this.move(2 * count(x.dims), count(x.dims));
  }
  adamw(p: Shape, _m: Shape, _v: Shape, _g: Shape, _step: AdamStep): void {
    this.move(7 * count(p.dims), count(p.dims) / 2);
  }
  loop(_inputs: readonly Shape[], shapes: readonly (readonly number[])[], cost: LoopCost): readonly Shape[] {
    this.seconds += loopSeconds(cost, this.rates);
    return shapes.map((dims) => this.make(dims));
  }
  sumOfSquares(x: Shape): number {
    this.move(count(x.dims));
    return 1;
  }
  largest(x: Shape): number {
    this.move(count(x.dims));
    return 1;
  }
  read(x: Shape): Float32Array {
    return evenScores(x.dims);
  }
}

/** What is read where nothing was computed: of a row's scores those next to its own number, so that experts are chosen evenly. */
export function evenScores(dims: readonly number[]): Float32Array {
  const values = new Float32Array(count(dims));
  const [rows = 1, width] = dims;
  if (dims.length !== 2 || width === undefined) return values;
  // Row t falls from its number on, and goes on from column 0: a window of two such rows side by side.
  const falling = Float32Array.from({ length: 2 * width }, (_, i) => (width - (i % width)) / width);
  for (let t = 0; t < rows; t++) {
    const from = width - (t % width);
    values.set(falling.subarray(from, from + width), t * width);
  }
  return values;
}

/** Floats that the attention kernel works in, besides its GEMM's fixed buffers. */
export const attentionScratch = (keys: number): number => 2 * 64 * keys;
