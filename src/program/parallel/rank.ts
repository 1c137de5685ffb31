/** One rank's share of a training step: its micro-batches through its chunks in its schedule's order, and its update. */
import type { LayerKind, ModelGraph } from "../../model/graph.js";
import type { RecomputeLayer } from "../../planner/plan.js";
import type { Algebra, RoundFormat } from "../algebra.js";
import { headLoss, headOf, nextToken } from "../head.js";
import { checkIds, rangeOf } from "../ids.js";
import { type Dropped, type LayerSaved, layerBackward, layerForward } from "../layer.js";
import { layerNumbers, type MicroBatch, weightKey } from "../model.js";
import { inLayer } from "../noise.js";
import type { OpContext } from "../ops/index.js";
import type { LayerRouting } from "../ops/route.js";
import { ropeKey } from "../rope-tables.js";
import { makeRope, type NamedWeight } from "../state.js";
import { applyUpdate, type HostBatch, type OptimizerState, putBatch, type Update } from "../step.js";
import { columns } from "./blocks.js";
import { type LocalGraph, localGraph, tensorPart } from "./local.js";
import { evenSplit, type RankLayout, type RankLinks, type RankTask } from "./types.js";
import { vocabularyLoss } from "./vocabulary.js";
import { layerKeys, partsOf, RankWeights, type Section } from "./weights.js";

export interface RankInput<T> {
  readonly graph: ModelGraph;
  readonly layout: RankLayout;
  readonly links: RankLinks;
  readonly recompute: readonly RecomputeLayer[];
  readonly optimizer: OptimizerState<T>["kind"];
  readonly round: RoundFormat | undefined;
  /** Longest sequence. */
  readonly positions: number;
  /** Whole values of a weight or of its optimizer state; undefined: zeros. */
  readonly load: (section: Section, weight: NamedWeight) => Float32Array | undefined;
}

interface Flight<T> {
  readonly saved: LayerSaved<T>[];
  dx: T | undefined;
}

type Put<T> = MicroBatch<T> & {
  readonly free: () => void;
  readonly vocabPart: OpContext<T>["vocabPart"];
  /** Of this rank's columns of the logits, where each rank has some. */
  readonly firstColumn: number | undefined;
  /** Where its tokens go, by layer. */
  readonly routing: Map<number, LayerRouting>;
  uses: number;
};

/** Messages between stages have tags above those of the groups. */
const firstTag = 1 << 20;

export class Rank<T> {
  readonly weights: RankWeights<T>;
  readonly #local: LocalGraph;
  readonly #numbers: readonly number[];
  readonly #rope: ReadonlyMap<string, { readonly cos: T; readonly sin: T }>;
  readonly #top: number;
  readonly #chunks: readonly number[];

  constructor(
    private readonly algebra: Algebra<T>,
    private readonly input: RankInput<T>,
  ) {
    const { graph, layout, links } = input;
    this.#local = localGraph(graph, layout);
    this.#numbers = layerNumbers(graph);
    this.#top = graph.stack.length - 1;
    this.#chunks = layout.chunks.flatMap((c, i) => (c.rank === layout.at.pipeline ? [i] : []));
    const layers = this.#chunks.flatMap((c) => {
      const { first, last } = layout.chunks[c]!;
      return Array.from({ length: last - first + 1 }, (_, i) => first + i);
    });
    const parts = partsOf(graph, this.#local, layout, links, layers);
    this.weights = new RankWeights(algebra, parts, layout, links, input.round, input.optimizer, input.load);
    this.#rope = makeRope(algebra, this.#local.graph, input.positions);
  }

  /**
   * Loss of each row of this rank's micro-batches (its context's part; zeros but on the last stage). With `scale`,
   * gradients of scale · Σ weight · loss add up.
   */
  run(micro: readonly HostBatch[], tasks: readonly RankTask[], scale: number | undefined): readonly Float64Array[] {
    const losses = micro.map((b) => new Float64Array(b.sequences));
    const batches = new Map<number, Put<T>>();
    const flights = new Map<string, Flight<T>>();
    const handed = new Map<number, T>();
    const batchOf = (m: number): Put<T> => {
      const put = batches.get(m) ?? this.#put(micro[m]!);
      batches.set(m, put);
      return put;
    };
    const release = (m: number): void => {
      const put = batches.get(m)!;
      if (--put.uses > 0) return;
      put.free();
      batches.delete(m);
    };
    for (const { kind, micro_batch: m, chunk: c } of tasks) {
      // Weight gradients are computed with those of the inputs: schedules that split the two have the same sums.
      if (kind === "weight" || (scale === undefined && kind === "backward")) continue;
      const batch = batchOf(m);
      const key = `${m}/${c}`;
      if (kind === "forward") {
        const flight = this.#forward(batch, m, c, scale, handed, losses[m]!);
        if (scale === undefined) release(m);
        else flights.set(key, flight);
      } else {
        this.#backward(batch, m, c, flights.get(key)!, handed);
        flights.delete(key);
        release(m);
      }
    }
    return losses;
  }

  /** Norm of the whole model's gradient; where that is not finite nothing is updated. */
  update(u: Update): number {
    const { algebra, weights } = this;
    const gradients = weights.reduced();
    let squares = 0;
    for (const part of weights.parts)
      if (part.trained && weights.counts(part)) squares += algebra.sumOfSquares(gradients.get(part.name)!);
    const high = Math.fround(squares);
    const total = this.input.links.world.allReduce(Float32Array.of(high, squares - high));
    const state = { graph: this.input.graph, weights: weights.own, gradients, rope: this.#rope };
    const norm = applyUpdate(algebra, state, weights.optimizer, u, total[0]! + total[1]!);
    if (Number.isFinite(norm)) weights.refresh();
    for (const [name, g] of gradients) if (g !== weights.gradients.get(name)) algebra.free(g);
    return norm;
  }

  free(): void {
    this.weights.free();
    for (const { cos, sin } of this.#rope.values()) {
      this.algebra.free(cos);
      this.algebra.free(sin);
    }
  }

  /** The context's tokens of a micro-batch; segments of all tokens up to its last. */
  #put(b: HostBatch): Put<T> {
    const { parallel, at } = this.input.layout;
    const { sequences } = b;
    // An id that no rank has would be a row of zeros everywhere.
    for (const ids of [b.tokens, b.targets]) checkIds("id", rangeOf(ids), this.input.graph.vocab);
    const length = b.length / parallel.context;
    const first = at.context * length;
    const floats = (x: Float32Array | Int32Array, from: number): Float32Array =>
      columns(Float32Array.from(x), b.length, from, first + length);
    const part = <A extends Float32Array | Int32Array>(x: A, from = first): A => {
      if (parallel.context === 1) return x;
      const cut = floats(x, from);
      return (x instanceof Int32Array ? Int32Array.from(cut) : cut) as A;
    };
    const positions = b.positions ?? Int32Array.from({ length: b.tokens.length }, (_, i) => i % b.length);
    const tokens = part(b.tokens);
    const put = putBatch(this.algebra, {
      sequences,
      length,
      tokens,
      targets: part(b.targets),
      weights: part(b.weights),
      positions: part(positions),
      ...(b.segments === undefined ? {} : { segments: part(b.segments, 0) }),
      ...(b.noise === undefined ? {} : { noise: { ...b.noise, rows: part(b.noise.rows) } }),
    });
    const vocabPart = this.#vocabPart(tokens);
    const free = (): void => {
      put.free();
      if (vocabPart !== undefined) this.algebra.free(vocabPart.ids);
    };
    return {
      ...put,
      free,
      vocabPart,
      firstColumn: this.#firstColumn(),
      routing: new Map<number, LayerRouting>(),
      uses: this.#chunks.length,
    };
  }

  #firstColumn(): number | undefined {
    const { graph, layout } = this.input;
    const kind = graph.kinds[graph.stack[this.#top]!]!;
    const [name] = headOf(kind).projection.weights;
    return tensorPart(kind.weights[name!]!, layout)?.first;
  }

  #vocabPart(tokens: Int32Array): Put<T>["vocabPart"] {
    const kind = this.#local.graph.kinds[this.#local.graph.stack[0]!]!;
    const op = kind.ops.find((o) => o.attrs.firstRow !== undefined);
    if (op === undefined || !this.#chunks.includes(0)) return undefined;
    const first = Number(op.attrs.firstRow);
    const rows = kind.weights[op.weights[0]!]!.shape[0]!;
    const elsewhere: number[] = [];
    const ids = tokens.map((id, i) => {
      if (id >= first && id < first + rows) return id - first;
      elsewhere.push(i);
      return 0;
    });
    return { ids: this.algebra.ints(ids, [ids.length]), elsewhere };
  }

  #context(batch: Put<T>, i: number): OpContext<T> {
    const { graph } = this.#local;
    const kind = graph.kinds[graph.stack[i]!]!;
    // Of experts elsewhere a rank knows the shape: that of its own first one.
    const key = (name: string, expert = 0): string => {
      const own = weightKey(kind, name, this.#numbers[i]!, expert);
      return this.weights.has(own) ? own : weightKey(kind, name, this.#numbers[i]!, this.#firstExpert(kind, name));
    };
    const layer = batch.routing.get(i) ?? {};
    batch.routing.set(i, layer);
    return {
      algebra: this.algebra,
      sequences: batch.sequences,
      length: batch.length,
      tokens: batch.tokens,
      positions: batch.positions,
      segments: batch.segments,
      rope: (op) => this.#rope.get(ropeKey(op))!,
      weight: (name, expert) => this.weights.weight(key(name, expert)),
      gradient: (name, expert) => this.weights.gradient(key(name, expert)),
      // Balance is not trained on several workers: its loss is that of a micro-batch as a whole.
      routing: { layer, auxScale: 0 },
      round: this.input.round,
      links: this.input.links,
      vocabPart: batch.vocabPart,
      noise: batch.noise === undefined ? undefined : inLayer(batch.noise, i),
    };
  }

  #firstExpert(kind: LayerKind, name: string): number {
    const { size, index } = this.input.links.expert;
    return evenSplit(kind.weights[name]?.copies ?? 1, size)[index]!;
  }

  #enter(i: number): void {
    const { graph } = this.#local;
    this.weights.enter(layerKeys(graph.kinds[graph.stack[i]!]!, this.#numbers[i]!, this.input.links.expert));
  }

  #dropped(i: number): Dropped {
    const layer = this.input.recompute.find((r) => r.layer === i);
    if (layer?.mode === "full") return "all";
    const kind = this.#local.graph.stack[i]!;
    const moved = this.#local.moved[kind] ?? {};
    const ops = layer?.mode === "ops" ? layer.ops.flatMap((op) => [op, ...(moved[op] ?? [])]) : [];
    const all = [...ops, ...(this.#local.regathered[kind] ?? [])];
    return all.length === 0 ? "none" : all;
  }

  #forward(
    batch: Put<T>,
    m: number,
    c: number,
    scale: number | undefined,
    handed: Map<number, T>,
    losses: Float64Array,
  ): Flight<T> {
    const { algebra } = this;
    const { graph } = this.#local;
    const { first, last } = this.input.layout.chunks[c]!;
    const flight: Flight<T> = { saved: [], dx: undefined };
    const keep = (saved: LayerSaved<T>): void => {
      if (scale !== undefined) flight.saved.push(saved);
      else for (const t of saved.tensors.values()) algebra.free(t);
    };
    let x = c === 0 ? algebra.share(batch.tokens) : this.#receive(this.#tag(m, c - 1, 0), c - 1, handed);
    for (let i = first; i <= last; i++) {
      const context = this.#context(batch, i);
      const kind = graph.kinds[graph.stack[i]!]!;
      const drop = scale === undefined ? "all" : this.#dropped(i);
      this.#enter(i);
      if (i < this.#top) {
        const { y, saved } = layerForward(context, kind, x, drop);
        keep(saved);
        x = y;
      } else {
        const head = headOf(kind);
        const { y, saved } = layerForward(context, head.body, x, drop);
        keep(saved);
        const loss =
          batch.firstColumn === undefined
            ? nextToken(context, batch.targets, batch.weights, scale)
            : vocabularyLoss(context, batch.targets, batch.weights, scale, batch.firstColumn);
        const result = headLoss(context, head, y, graph.vocab, loss, scale !== undefined);
        algebra.read(result.losses).forEach((l, t) => {
          const row = Math.floor(t / batch.length);
          losses[row] = losses[row]! + l;
        });
        algebra.free(result.losses);
        flight.dx = result.dx;
      }
      this.weights.leave();
    }
    if (last < this.#top) this.#send(this.#tag(m, c, 0), c + 1, x, handed);
    return flight;
  }

  #backward(batch: Put<T>, m: number, c: number, flight: Flight<T>, handed: Map<number, T>): void {
    const { graph } = this.#local;
    const { first, last } = this.input.layout.chunks[c]!;
    let dy = last === this.#top ? flight.dx : this.#receive(this.#tag(m, c + 1, 1), c + 1, handed);
    for (let i = last; i >= first; i--) {
      const kind = graph.kinds[graph.stack[i]!]!;
      this.#enter(i);
      const segment = i === this.#top ? headOf(kind).body : kind;
      dy = layerBackward(this.#context(batch, i), segment, flight.saved.pop()!, dy!, this.#dropped(i));
      this.weights.leave();
    }
    if (c > 0) this.#send(this.#tag(m, c, 1), c - 1, dy!, handed);
    else if (dy !== undefined) this.algebra.free(dy);
  }

  #tag(m: number, chunk: number, direction: 0 | 1): number {
    return firstTag + 2 * (m * this.input.layout.chunks.length + chunk) + direction;
  }

  /** To the rank of a chunk, or within this one; takes ownership of `x`. */
  #send(tag: number, chunk: number, x: T, handed: Map<number, T>): void {
    const { rank } = this.input.layout.chunks[chunk]!;
    if (rank === this.input.layout.at.pipeline) {
      handed.set(tag, x);
      return;
    }
    this.input.links.send(rank, tag, this.algebra.read(x));
    this.algebra.free(x);
  }

  #receive(tag: number, chunk: number, handed: Map<number, T>): T {
    const x = handed.get(tag);
    if (x !== undefined) {
      handed.delete(tag);
      return x;
    }
    const values = this.input.links.receive(this.input.layout.chunks[chunk]!.rank, tag);
    const { hidden } = this.input.graph;
    return this.algebra.floats(values, [values.length / hidden, hidden]);
  }
}
