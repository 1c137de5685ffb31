/** Weights, gradients and optimizer state of one rank: its part on the tensor axis, and of that its ZeRO shard. */

import type { Shard } from "../../checker/pipeline.js";
import type { LayerKind, ModelGraph, WeightSpec } from "../../model/graph.js";
import type { Algebra, RoundFormat } from "../algebra.js";
import { layerNumbers, weightKey } from "../model.js";
import { freePacked, nf4Block, type Packed, putPacked, storedScales, unpacked } from "../nf4.js";
import { updateRules } from "../optimizers.js";
import { type NamedWeight, storedWeights } from "../state.js";
import type { OptimizerState } from "../step.js";
import { besides, slab } from "./blocks.js";
import { type LocalGraph, tensorPart } from "./local.js";
import { evenSplit, type RankGroup, type RankLayout, type RankLinks } from "./types.js";

/** One weight as a rank has it. Rows are those of its part on the tensor axis. */
export interface Part {
  readonly name: string;
  /** As in the model. */
  readonly full: NamedWeight;
  /** As this rank computes with it. */
  readonly local: NamedWeight;
  /** First row of each member of the shard group, and the end. */
  readonly rows: readonly number[];
  readonly width: number;
  /** Dimension that the tensor axis splits. */
  readonly split: number | undefined;
  /** Its gradient is a sum over the tensor axis. */
  readonly partial: boolean;
  /** An expert's, where experts are spread over ranks: its replicas are the ranks with the same experts. */
  readonly expert: boolean;
  /** First and last pipeline stage both have it. */
  readonly tied: boolean;
  readonly trained: boolean;
  /** Frozen in 4 bits: as this rank's rows, or (blocks do not end where its part does) as the model's whole weight. */
  readonly packed?: "part" | "whole";
}

/** What is spread over the data axis: by ZeRO stage (Rajbhandari et al. 2020); hybrid sharding is stage 3 within a group. */
export const sharding: Readonly<
  Record<Shard, { readonly state: boolean; readonly gradients: boolean; readonly weights: boolean }>
> = {
  none: { state: false, gradients: false, weights: false },
  zero1: { state: true, gradients: false, weights: false },
  zero2: { state: true, gradients: true, weights: false },
  zero3: { state: true, gradients: true, weights: true },
  hsdp: { state: true, gradients: true, weights: true },
};

const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Overwrites a tensor's values. */
export function write<T>(algebra: Algebra<T>, x: T, values: Float32Array): void {
  const from = algebra.floats(values, algebra.shape(x));
  algebra.clear(x);
  algebra.addInto(x, from);
  algebra.free(from);
}

/** @param layers stack indices that the rank computes */
export function partsOf(
  graph: ModelGraph,
  local: LocalGraph,
  layout: RankLayout,
  links: RankLinks,
  layers: readonly number[],
): readonly Part[] {
  const numbers = layerNumbers(graph);
  const keysAt = (i: number): string[] => layerKeys(graph.kinds[graph.stack[i]!]!, numbers[i]!, links.expert);
  const mine = new Set(layers.flatMap(keysAt));
  const ends = [keysAt(0), keysAt(graph.stack.length - 1)];
  // DualPipe's V has both ends on one rank.
  const apart = layout.chunks[0]!.rank !== layout.chunks.at(-1)!.rank;
  const locals = new Map(storedWeights(local.graph).map((w) => [w.name, w]));
  const spread = sharding[layout.parallel.shard];
  return storedWeights(graph).flatMap((full) => {
    if (!mine.has(full.name)) return [];
    const here = locals.get(full.name)!;
    const [rows] = here.spec.shape as [number];
    const expert = layout.parallel.expert > 1 && full.spec.copies > 1;
    const shards = expert ? links.expertReplicas.size : links.shard.size;
    const trained = full.spec.trainable;
    const width = size(here.spec.shape) / rows;
    const nf4 = full.spec.stored === "nf4";
    // Of packed experts each rank uses those that its tokens chose: they cannot be gathered together.
    const sharded = trained ? spread.state : spread.weights && !(nf4 && full.spec.copies > 1);
    const packed = nf4 ? packedAs(full.spec, layout, sharded ? shards : 1) : undefined;
    return {
      name: full.name,
      full,
      local: here,
      rows: sharded && packed !== "whole" ? evenSplit(rows, shards) : [0, rows],
      width,
      split: tensorPart(full.spec, layout)?.dim,
      partial: local.partial.has(full.spec.name),
      expert,
      tied: apart && ends.every((keys) => keys.includes(full.name)),
      trained,
      ...(packed === undefined ? {} : { packed }),
    };
  });
}

/** The same 4-bit values on every layout: a part has blocks of its own only where they are the whole's. */
function packedAs(spec: WeightSpec, layout: RankLayout, shards: number): "part" | "whole" {
  const place = tensorPart(spec, layout);
  const columns = size(spec.shape.slice(1));
  const inner = (length: number, parts: number): number[] => evenSplit(length, parts).slice(1, -1);
  const cuts = place === undefined ? [] : inner(spec.shape[place.dim]!, layout.parallel.tensor);
  const cut = place?.dim === 1 ? [columns, ...cuts] : cuts.map((r) => r * columns);
  const width = place?.dim === 1 ? place.last - place.first : columns;
  const rows = place?.dim === 0 ? place.last - place.first : spec.shape[0]!;
  const ends = inner(rows, shards).map((r) => r * width);
  return [...cut, ...ends].every((n) => n % nf4Block === 0) ? "part" : "whole";
}

export type Section = "weight" | "m" | "v";

export class RankWeights<T> {
  /** What the optimizer updates, fp32: the shard, or the whole part. */
  readonly own = new Map<string, T>();
  /** Weights in 4 bits, which have no entry among `own` and `whole`. */
  readonly packed = new Map<string, Packed<T>>();
  /** What computes, where every rank keeps it. */
  readonly whole = new Map<string, T>();
  /** Gradients over micro-batches: shards from ZeRO-2 on. */
  readonly gradients = new Map<string, T>();
  readonly optimizer: OptimizerState<T>;
  readonly #byName: ReadonlyMap<string, Part>;
  /** Gathered for the layer that runs. */
  readonly #gathered = new Map<string, T>();
  /** Names of its weights. */
  #layer: readonly string[] = [];
  /** Gradients of the layer that runs, before they are spread. */
  readonly #fresh = new Map<string, T>();

  constructor(
    private readonly algebra: Algebra<T>,
    readonly parts: readonly Part[],
    private readonly layout: RankLayout,
    private readonly links: RankLinks,
    private readonly round: RoundFormat | undefined,
    kind: OptimizerState<T>["kind"],
    /** Whole values of a weight or of its optimizer state; undefined: zeros. */
    load: (section: Section, weight: NamedWeight) => Float32Array | undefined,
    /** The model beside the trained one: its weights are rounded once for all. */
    beside = false,
  ) {
    const { gradients, weights } = sharding[layout.parallel.shard];
    this.#byName = new Map(parts.map((p) => [p.name, p]));
    const m = new Map<string, T>();
    const v = new Map<string, T>();
    for (const part of parts) {
      const shape = this.#shardShape(part);
      const make = (section: Section, dims: readonly number[]): T => {
        const values = load(section, part.full);
        return values === undefined ? algebra.zeros(dims) : algebra.floats(this.#shardOf(part, values), dims);
      };
      if (part.packed !== undefined) {
        const values = load("weight", part.full) ?? new Float32Array(0);
        this.packed.set(part.name, this.#pack(part, values, shape));
        continue;
      }
      const own = make("weight", shape);
      this.own.set(part.name, own);
      if (beside && round !== undefined) algebra.round(own, round);
      if (part.trained) {
        this.gradients.set(part.name, algebra.zeros(gradients ? shape : part.local.spec.shape));
        const states = updateRules[kind].states(this.#updated(part));
        if (states.m !== undefined) m.set(part.name, make("m", states.m));
        if (states.v !== undefined) v.set(part.name, make("v", states.v));
      }
      if (!weights) this.whole.set(part.name, this.#sameData(part) ? own : this.#compute(part));
    }
    const named = parts.filter((p) => p.trained).map((p) => this.#updated(p));
    this.optimizer = { kind, weights: named, m, v, masters: new Map() };
  }

  /** A trained weight as the optimizer sees it. */
  #updated(part: Part): NamedWeight {
    return { name: part.name, spec: { ...part.local.spec, shape: this.#shardShape(part) } };
  }

  /** What computes is what the optimizer updates, or what nothing updates. */
  #sameData({ trained }: Part): boolean {
    return !trained || (!sharding[this.layout.parallel.shard].state && this.round === undefined);
  }

  /** Ranks with its shards. */
  #group({ expert }: Part): RankGroup {
    return expert ? this.links.expertReplicas : this.links.shard;
  }

  #range(part: Part): readonly [number, number] {
    const at = part.rows.length === 2 ? 0 : this.#group(part).index;
    return [part.rows[at]!, part.rows[at + 1]!];
  }

  #shardShape(part: Part): readonly number[] {
    const [first, last] = this.#range(part);
    return [last - first, ...part.local.spec.shape.slice(1)];
  }

  /** This rank's shard of a whole weight. */
  #shardOf(part: Part, values: Float32Array): Float32Array {
    const { spec } = part.full;
    const place = tensorPart(spec, this.layout);
    const local = place === undefined ? values : slab(values, spec.shape, place.dim, place.first, place.last);
    const [first, last] = this.#range(part);
    return local.slice(first * part.width, last * part.width);
  }

  /** The part as it computes: gathered from its shards and rounded. */
  #compute(part: Part): T {
    const { algebra } = this;
    const x = algebra.floats(this.#gather(part, algebra.read(this.own.get(part.name)!)), part.local.spec.shape);
    if (this.round !== undefined && part.trained) algebra.round(x, this.round);
    return x;
  }

  /** A part keeps the whole's scales, which are quantised together, in fp32. */
  #pack(part: Part, values: Float32Array, shape: readonly number[]): Packed<T> {
    const { algebra } = this;
    if (part.packed === "whole" || size(shape) === size(part.full.spec.shape))
      return putPacked(algebra, values, part.full.spec.shape);
    const own = this.#shardOf(part, values);
    const whole = storedScales(values);
    const spread = this.#shardOf(
      part,
      values.map((_, i) => whole[Math.floor(i / nf4Block)]!),
    );
    return putPacked(
      algebra,
      own,
      shape,
      spread.filter((_, i) => i % nf4Block === 0),
    );
  }

  /** A weight in 4 bits as it computes, as a new tensor; undefined for others. */
  unpacked(name: string): T | undefined {
    const { algebra } = this;
    const packed = this.packed.get(name);
    if (packed === undefined) return undefined;
    const part = this.#byName.get(name)!;
    let w = unpacked(algebra, packed);
    if (part.packed === "whole" || part.rows.length > 2) {
      const values = algebra.read(w);
      algebra.free(w);
      w = algebra.floats(
        part.packed === "whole" ? this.#shardOf(part, values) : this.#gather(part, values),
        part.local.spec.shape,
      );
    }
    if (this.round !== undefined) algebra.round(w, this.round);
    return w;
  }

  #gather(part: Part, shard: Float32Array): Float32Array {
    return part.rows.length === 2 ? shard : this.#group(part).allGather(shard);
  }

  /** Whether this rank has it. */
  has(name: string): boolean {
    return this.#byName.has(name);
  }

  weight(name: string): T {
    return (this.whole.get(name) ?? this.#gathered.get(name))!;
  }

  /** Of a weight that no gradient moves: what this rank has of it, and where that begins. */
  ownPart(name: string): { readonly bias: T; readonly first: number } {
    return { bias: this.own.get(name)!, first: this.#range(this.#byName.get(name)!)[0] };
  }

  gradient(name: string): T | undefined {
    const part = this.#byName.get(name)!;
    if (!part.trained) return undefined;
    if (!sharding[this.layout.parallel.shard].gradients) return this.gradients.get(name)!;
    const fresh = this.#fresh.get(name) ?? this.algebra.zeros(part.local.spec.shape);
    this.#fresh.set(name, fresh);
    return fresh;
  }

  /** Before a layer's forward or backward. */
  enter(names: readonly string[]): void {
    this.#layer = names;
    if (!sharding[this.layout.parallel.shard].weights) return;
    for (const name of names)
      if (!this.packed.has(name)) this.#gathered.set(name, this.#compute(this.#byName.get(name)!));
  }

  /** After it: gathered weights go, fresh gradients are summed into the shards. */
  leave(): void {
    const { algebra } = this;
    for (const x of this.#gathered.values()) algebra.free(x);
    this.#gathered.clear();
    if (this.#fresh.size === 0) return;
    // All of the layer's, in its order: which experts had tokens differs between ranks.
    for (const name of this.#layer) {
      const part = this.#byName.get(name)!;
      if (!part.trained) continue;
      const x = this.#fresh.get(name);
      const sum = this.#scatter(
        part,
        x === undefined ? new Float32Array(size(part.local.spec.shape)) : algebra.read(x),
      );
      if (x !== undefined) algebra.free(x);
      const shard = algebra.floats(sum, this.#shardShape(part));
      algebra.addInto(this.gradients.get(name)!, shard);
      algebra.free(shard);
    }
    this.#fresh.clear();
  }

  #scatter(part: Part, x: Float32Array): Float32Array {
    return this.#group(part).reduceScatter(
      x,
      part.rows.map((r) => r * part.width),
    );
  }

  /** Gradients of the step, as the optimizer takes them, summed over every rank that has a part of them. */
  reduced(): ReadonlyMap<string, T> {
    const { algebra, links } = this;
    const { state, gradients } = sharding[this.layout.parallel.shard];
    const trained = this.parts.filter((p) => p.trained);
    const values = trained.map((part) => {
      const x = algebra.read(this.gradients.get(part.name)!);
      return part.partial ? links.tensor.allReduce(x) : x;
    });
    // Without sharding all weights are one message, and all experts another.
    const sum = (expert: boolean, group: RankGroup): ReadonlyMap<Part, Float32Array> => {
      const parts = trained.filter((p) => p.expert === expert);
      const own = parts.map((p) => values[trained.indexOf(p)]!);
      const all = state ? own : together(own, (x) => group.allReduce(x));
      return new Map(parts.map((p, i) => [p, all[i]!]));
    };
    const sums = new Map([...sum(false, links.replicas), ...sum(true, links.expertReplicas)]);
    return new Map(
      trained.map((part) => {
        let sum = sums.get(part)!;
        if (state && !gradients) sum = this.#scatter(part, sum);
        if (this.layout.parallel.shard === "hsdp" && !part.expert) sum = links.acrossShards.allReduce(sum);
        if (part.tied) sum = links.pipelineEnds.allReduce(sum);
        const into = this.gradients.get(part.name)!;
        if (state && !gradients) {
          algebra.clear(into);
          return [part.name, algebra.floats(sum, this.#shardShape(part))];
        }
        write(algebra, into, sum);
        return [part.name, into];
      }),
    );
  }

  /** Whether this rank's share of a weight counts in a sum over all ranks (others have the same values). */
  counts(part: Part): boolean {
    const { links, layout } = this;
    if (tensorPart(part.full.spec, layout) === undefined && links.tensor.index > 0) return false;
    const { state } = sharding[layout.parallel.shard];
    const replicas = part.expert ? links.expertReplicas : links.replicas;
    if (!state ? replicas.index > 0 : !part.expert && links.acrossShards.index > 0) return false;
    return !part.tied || links.pipelineEnds.index === 0;
  }

  /** After the optimizer: the weights that compute. */
  refresh(): void {
    for (const part of this.parts) {
      const whole = this.whole.get(part.name);
      if (whole === undefined || this.#sameData(part)) continue;
      const values = this.#gather(part, this.algebra.read(this.own.get(part.name)!));
      write(this.algebra, whole, values);
      if (this.round !== undefined) this.algebra.round(whole, this.round);
    }
  }

  /** Whole values of every weight and its optimizer state; every rank of a stage must ask, each gets them. */
  *all(sections: readonly Section[]): Generator<{ section: Section; part: Part; values: Float32Array }> {
    const from = { weight: this.own, m: this.optimizer.m, v: this.optimizer.v };
    for (const part of this.parts)
      for (const section of sections) {
        const values = section === "weight" && part.packed !== undefined ? this.#unpackedValues(part) : undefined;
        const x = from[section].get(part.name);
        if (values !== undefined) yield { section, part, values: this.#whole(part, values) };
        else if (x !== undefined)
          yield { section, part, values: this.#whole(part, this.#gather(part, this.algebra.read(x))) };
      }
  }

  #unpackedValues(part: Part): Float32Array {
    const { algebra } = this;
    const w = unpacked(algebra, this.packed.get(part.name)!);
    const values = algebra.read(w);
    algebra.free(w);
    return part.packed === "whole" ? this.#shardOf(part, values) : this.#gather(part, values);
  }

  #whole(part: Part, local: Float32Array): Float32Array {
    const { spec } = part.full;
    const place = tensorPart(spec, this.layout);
    if (place === undefined) return local;
    const all = this.links.tensor.allGather(local);
    return place.dim === 0 ? all : besides(all, spec.shape[0]!, evenSplit(spec.shape[1]!, this.links.tensor.size));
  }

  free(): void {
    const { algebra } = this;
    const whole = this.parts.filter((p) => !this.#sameData(p)).flatMap((p) => this.whole.get(p.name) ?? []);
    const { m, v } = this.optimizer;
    for (const x of [this.own, this.gradients, m, v].flatMap((tensors) => [...tensors.values()])) algebra.free(x);
    for (const x of whole) algebra.free(x);
    for (const packed of this.packed.values()) freePacked(algebra, packed);
  }
}

/** One collective over several arrays. */
function together(parts: readonly Float32Array[], reduce: (x: Float32Array) => Float32Array): Float32Array[] {
  const flat = new Float32Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    flat.set(part, at);
    at += part.length;
  }
  const sum = reduce(flat);
  at = 0;
  return parts.map((part) => {
    at += part.length;
    return sum.subarray(at - part.length, at);
  });
}

/** Full names of a layer's weights: of its experts, those that this rank has. */
export function layerKeys(kind: LayerKind, number: number, experts: RankGroup): string[] {
  const keys = Object.entries(kind.weights).flatMap(([name, { copies }]) => {
    if (copies === 1) return [weightKey(kind, name, number)];
    const bounds = evenSplit(copies, experts.size);
    const [first, last] = [bounds[experts.index]!, bounds[experts.index + 1]!];
    return Array.from({ length: last - first }, (_, i) => weightKey(kind, name, number, first + i));
  });
  return [...new Set(keys)];
}
