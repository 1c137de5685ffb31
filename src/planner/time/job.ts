/** A layout of a model on machines, as numbers only: what both a plan's candidate and a published run become. */
import type { RolloutTraits } from "../../catalog/types.js";
import type { Phase } from "../../model/index.js";
import type { LayerMemory } from "../memory/layer.js";
import { layerMemory } from "../memory/layer.js";
import { type Degrees, type LayerTime, layerTime } from "./layer.js";
import type { Rates } from "./rates.js";
import type { LayerShape, ModelShape } from "./shape.js";

export interface Layout {
  readonly data: number;
  readonly shard: "none" | "zero1" | "zero2" | "zero3" | "hsdp";
  readonly shardGroup: number;
  readonly tensor: number;
  readonly sequence: boolean;
  readonly pipeline: number;
  readonly virtual: number;
  readonly context: number;
  readonly expert: number;
  readonly microBatch: number;
  readonly accumulation: number;
  readonly schedule: string;
  readonly length: number;
}

/** Layers of one kind on a rank that are treated alike. */
export interface Part {
  readonly kind: string;
  readonly mode: "none" | "full" | "selective" | "ops";
  readonly ops: readonly string[];
  readonly offloaded: boolean;
  readonly count: number;
}

export interface RankProfile {
  readonly parts: readonly Part[];
  /** Layers, embedding and head counted, of each chunk over the rank's: 1 / virtual where equal. */
  readonly first: boolean;
  readonly last: boolean;
}

export interface Numeric {
  /** Bytes an element of weights (compute copy), gradients, optimizer with master. */
  readonly weights: number;
  readonly gradients: number;
  readonly optimizer: number;
  /** Bytes of a gathered weight and of a reduced gradient. */
  readonly gather: number;
  readonly reduce: number;
}

/** A phase of the objective's graph beside the update: another model's forward, generation, rewards. */
export interface JobPhase {
  readonly phase: Phase;
  readonly shape: ModelShape;
  /** Sequences over the policy's trained sequences. */
  readonly share: number;
  /** The model has weights of its own, beside the policy's. */
  readonly holds: boolean;
  /** Bytes an element of them: a teacher's in the compute type, a reference's as the policy's master weights. */
  readonly bytes: number;
  readonly cache: LayerCache;
}

export interface Job {
  readonly rates: Rates;
  readonly shape: ModelShape;
  readonly layout: Layout;
  readonly ranks: readonly RankProfile[];
  readonly numeric: Numeric;
  readonly devices: number;
  readonly offload: "none" | "activations" | "optimizer" | "both";
  readonly phases: readonly JobPhase[];
  /** How answers are generated, and how long they may get. */
  readonly rollout?: RolloutTraits;
  readonly answer: number;
  readonly logitsCopies: number;
  readonly cache: LayerCache;
  /** Of the cache: what is known for this layout's degrees; found at the first use. */
  known?: Map<string, LayerNumbers>;
}

/** An engine that generates and says no more of it. */
export const plainRollout: RolloutTraits = { kind: "weights", cache: "expanded", layerSeconds: 1e-3 };

export const answerTokens = ({ answer, layout }: Job): number => Math.min(answer, Math.max(1, layout.length - 1));
export const promptTokens = (job: Job): number => Math.max(1, job.layout.length - answerTokens(job));

export interface LayerNumbers {
  readonly time: LayerTime;
  readonly memory: LayerMemory;
}

/** Bounds on memory rule out most layouts before anybody asks for their time. */
class Numbers implements LayerNumbers {
  readonly memory: LayerMemory;
  private known: LayerTime | undefined;
  constructor(
    private readonly rates: Rates,
    private readonly shape: LayerShape,
    private readonly degrees: Degrees,
  ) {
    this.memory = layerMemory(
      shape,
      degrees,
      rates.stack,
      rates.lowPrecision && rates.stack.cachedWeightGradients,
      rates.wide,
    );
  }
  get time(): LayerTime {
    if (this.known === undefined) {
      const { rates } = this;
      const time = layerTime(rates, this.shape, this.degrees);
      const grown = (rates.factor * rates.stack.weightTraffic * this.memory.trainable) / rates.memory;
      this.known = { ...time, backward: time.backward + grown };
    }
    return this.known;
  }
}

/** Layer costs depend on few degrees only; every layout that shares them shares this. */
export type LayerCache = Map<number, Map<number, Map<string, LayerNumbers>>>;

/** Numbers by kind of layer for the degrees of a layout. */
export function numbersAt(cache: LayerCache, l: Layout): Map<string, LayerNumbers> {
  const split = ((l.tensor * 2 + (l.sequence ? 1 : 0)) * 65536 + l.context) * 65536 + l.expert;
  let bySize = cache.get(split);
  if (bySize === undefined) {
    bySize = new Map();
    cache.set(split, bySize);
  }
  const size = l.microBatch * 2 ** 28 + l.length;
  let byKind = bySize.get(size);
  if (byKind === undefined) {
    byKind = new Map();
    bySize.set(size, byKind);
  }
  return byKind;
}

export function layerNumbers(job: Job, kind: string): LayerNumbers {
  job.known ??= numbersAt(job.cache, job.layout);
  let found = job.known.get(kind);
  if (found === undefined) {
    found = new Numbers(job.rates, job.shape.kinds[kind]!, job.layout);
    job.known.set(kind, found);
  }
  return found;
}

export function numbersOf(rates: Rates, shape: ModelShape, l: Layout, kind: string, cache: LayerCache): LayerNumbers {
  const byKind = numbersAt(cache, l);
  let found = byKind.get(kind);
  if (found === undefined) {
    found = new Numbers(rates, shape.kinds[kind]!, l);
    byKind.set(kind, found);
  }
  return found;
}

/** Elements that a part counts twice: a tied embedding on the rank that also holds the head. */
export function tiedElements(job: Job, profile: RankProfile, part: Part): number {
  if (!job.shape.tied || !profile.first || !profile.last) return 0;
  const s = job.shape.kinds[part.kind]!;
  return s.role === "embedding" ? s.table / job.layout.tensor : 0;
}
