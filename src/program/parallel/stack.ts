/** A model on one rank: its chunks' passes, and its way to the stages before and after. */
import type { LayerKind, ModelGraph } from "../../model/graph.js";
import type { LayoutPlan, RecomputeLayer } from "../../planner/plan.js";
import type { Algebra } from "../algebra.js";
import { type Head, headOf } from "../head.js";
import { type Dropped, type LayerSaved, layerBackward, layerForward } from "../layer.js";
import { layerNumbers, type MicroBatch, weightKey } from "../model.js";
import { inLayer } from "../noise.js";
import type { Numerics } from "../numerics.js";
import type { OpContext } from "../ops/index.js";
import type { LayerRouting } from "../ops/route.js";
import { ropeKey } from "../rope-tables.js";
import { makeRope } from "../state.js";
import { type LocalGraph, tensorPart } from "./local.js";
import { evenSplit, type RankLayout, type RankLinks } from "./types.js";
import { layerKeys, type RankWeights } from "./weights.js";

/** A micro-batch as one model's layers see it. */
export interface Passing<T> {
  readonly there: MicroBatch<T>;
  readonly vocabPart: OpContext<T>["vocabPart"];
  /** Where its tokens go, by layer. */
  readonly routing: Map<number, LayerRouting>;
  /** A backward follows. */
  readonly trains: boolean;
  /** Factor of the auxiliary losses in this rank's gradient. */
  readonly auxScale: number;
  /** Where its tokens go moves the correction bias. */
  readonly counts: boolean;
}

export interface StackInput<T> {
  readonly graph: ModelGraph;
  readonly local: LocalGraph;
  readonly chunks: LayoutPlan["chunks"];
  readonly layout: RankLayout;
  readonly links: RankLinks;
  readonly weights: RankWeights<T>;
  readonly numerics: Numerics;
  readonly recompute: readonly RecomputeLayer[];
  /** Longest sequence. */
  readonly positions: number;
  /** Choices that fell on each expert in the step, by layer. */
  readonly loads: Map<number, Float64Array>;
  /** Apart from those of the other model on the same links. */
  readonly tag: (micro: number, chunk: number, direction: 0 | 1) => number;
}

export class RankStack<T> {
  readonly #numbers: readonly number[];
  readonly #top: number;
  readonly #handed = new Map<number, T>();
  readonly rope: ReadonlyMap<string, { readonly cos: T; readonly sin: T }>;
  /** Of this rank's columns of the logits, where each rank has some. */
  readonly #firstColumn: number | undefined;

  constructor(
    private readonly algebra: Algebra<T>,
    readonly input: StackInput<T>,
  ) {
    const { graph, local, layout } = input;
    this.#numbers = layerNumbers(graph);
    this.#top = graph.stack.length - 1;
    this.rope = makeRope(algebra, local.graph, input.positions);
    const kind = graph.kinds[graph.stack[this.#top]!]!;
    const [name] = headOf(kind).projection.weights;
    this.#firstColumn = tensorPart(kind.weights[name!]!, layout)?.first;
  }

  #kind(i: number): LayerKind {
    const { graph } = this.input.local;
    return graph.kinds[graph.stack[i]!]!;
  }

  /** Ids among the embedding's rows that this rank has, where it has some. */
  vocabPart(tokens: Int32Array): Passing<T>["vocabPart"] {
    const { chunks, layout } = this.input;
    const kind = this.#kind(0);
    const op = kind.ops.find((o) => o.attrs.firstRow !== undefined);
    if (op === undefined || chunks[0]!.rank !== layout.at.pipeline) return undefined;
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

  #context(batch: Passing<T>, i: number): OpContext<T> {
    const { input } = this;
    const { weights, numerics, links } = input;
    const kind = this.#kind(i);
    // Of experts elsewhere a rank knows the shape: that of its own first one.
    const key = (name: string, expert = 0): string => {
      const own = weightKey(kind, name, this.#numbers[i]!, expert);
      return weights.has(own) ? own : weightKey(kind, name, this.#numbers[i]!, this.#firstExpert(kind, name));
    };
    return {
      algebra: this.algebra,
      sequences: batch.there.sequences,
      length: batch.there.length,
      tokens: batch.there.tokens,
      positions: batch.there.positions,
      segments: batch.there.segments,
      rope: (op) => this.rope.get(ropeKey(op))!,
      weight: (name, expert) => weights.weight(key(name, expert)),
      unpacked: (name, expert) => weights.unpacked(key(name, expert)),
      gradient: (name, expert) => (batch.trains ? weights.gradient(key(name, expert)) : undefined),
      routing: { layer: this.#routing(batch, i), auxScale: batch.auxScale, counts: batch.counts },
      round: numerics.round,
      fp8: numerics.fp8,
      links,
      vocabPart: batch.vocabPart,
      firstColumn: this.#firstColumn,
      noise: batch.there.noise === undefined ? undefined : inLayer(batch.there.noise, i),
    };
  }

  #routing(batch: Passing<T>, i: number): LayerRouting {
    const known = batch.routing.get(i);
    if (known !== undefined) return known;
    const layer: LayerRouting = {};
    const op = this.#kind(i).ops.find((o) => o.kind === "router");
    if (op !== undefined && batch.counts) {
      const load = this.input.loads.get(i) ?? new Float64Array(Number(op.attrs.experts));
      this.input.loads.set(i, load);
      layer.load = load;
    }
    batch.routing.set(i, layer);
    return layer;
  }

  #firstExpert(kind: LayerKind, name: string): number {
    const { size, index } = this.input.links.expert;
    return evenSplit(kind.weights[name]?.copies ?? 1, size)[index]!;
  }

  #enter(i: number): void {
    this.input.weights.enter(layerKeys(this.#kind(i), this.#numbers[i]!, this.input.links.expert));
  }

  #dropped(i: number): Dropped {
    const { local, recompute } = this.input;
    const layer = recompute.find((r) => r.layer === i);
    if (layer?.mode === "full") return "all";
    const kind = local.graph.stack[i]!;
    const moved = local.moved[kind] ?? {};
    const ops = layer?.mode === "ops" ? layer.ops.flatMap((op) => [op, ...(moved[op] ?? [])]) : [];
    const all = [...ops, ...(local.regathered[kind] ?? [])];
    return all.length === 0 ? "none" : all;
  }

  /**
   * One chunk; what comes out goes to the next, or (of the last) is given to `finish`, while the head's weights are here:
   * they stay, for the caller to let go, where it says so.
   * @param keep whether a backward follows
   */
  forward(
    batch: Passing<T>,
    m: number,
    c: number,
    keep: boolean,
    finish: (hidden: T, context: OpContext<T>, head: Head) => boolean,
  ): LayerSaved<T>[] {
    const { algebra, input } = this;
    const { first, last } = input.chunks[c]!;
    const kept: LayerSaved<T>[] = [];
    let x = c === 0 ? algebra.share(batch.there.tokens) : this.#receive(input.tag(m, c - 1, 0), c - 1);
    for (let i = first; i <= last; i++) {
      const context = this.#context(batch, i);
      const kind = this.#kind(i);
      this.#enter(i);
      const segment = i === this.#top ? headOf(kind).body : kind;
      const { y, saved } = layerForward(context, segment, x, keep ? this.#dropped(i) : "all");
      if (keep) kept.push(saved);
      else for (const t of saved.tensors.values()) algebra.free(t);
      const stays = i === this.#top && finish(y, context, headOf(kind));
      x = y;
      if (!stays) input.weights.leave();
    }
    if (last < this.#top) this.#send(input.tag(m, c, 0), c + 1, x);
    return kept;
  }

  /** @param dx gradient of what `finish` got, on the last chunk */
  backward(batch: Passing<T>, m: number, c: number, saved: LayerSaved<T>[], dx: T | undefined): void {
    const { input } = this;
    const { first, last } = input.chunks[c]!;
    let dy = last === this.#top ? dx : this.#receive(input.tag(m, c + 1, 1), c + 1);
    for (let i = last; i >= first; i--) {
      const kind = this.#kind(i);
      this.#enter(i);
      const segment = i === this.#top ? headOf(kind).body : kind;
      dy = layerBackward(this.#context(batch, i), segment, saved.pop()!, dy!, this.#dropped(i));
      input.weights.leave();
    }
    if (c > 0) this.#send(input.tag(m, c, 1), c - 1, dy!);
    else if (dy !== undefined) this.algebra.free(dy);
  }

  free(): void {
    for (const { cos, sin } of this.rope.values()) for (const t of [cos, sin]) this.algebra.free(t);
  }

  /** To the rank of a chunk, or within this one; takes ownership of `x`. */
  #send(tag: number, chunk: number, x: T): void {
    const { rank } = this.input.chunks[chunk]!;
    if (rank === this.input.layout.at.pipeline) {
      this.#handed.set(tag, x);
      return;
    }
    this.input.links.send(rank, tag, this.algebra.read(x));
    this.algebra.free(x);
  }

  #receive(tag: number, chunk: number): T {
    const x = this.#handed.get(tag);
    if (x !== undefined) {
      this.#handed.delete(tag);
      return x;
    }
    const values = this.input.links.receive(this.input.chunks[chunk]!.rank, tag);
    const { hidden } = this.input.graph;
    return this.algebra.floats(values, [values.length / hidden, hidden]);
  }
}
