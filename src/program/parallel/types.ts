/** What one rank of a plan's mesh needs to know, and how it talks to the others. No threads here: the runtime gives the links. */
import type { LayoutPlan, ParallelPlan } from "../../planner/plan.js";

/** Collectives among some ranks; sums run in the group's order, so that every rank and every run gives the same bits. */
export interface RankGroup {
  readonly size: number;
  readonly index: number;
  allReduce(x: Float32Array, op?: "sum" | "max"): Float32Array;
  /** Elements `bounds[i]..bounds[i+1]` of the sum go to member i. */
  reduceScatter(x: Float32Array, bounds: readonly number[]): Float32Array;
  /** Concatenation in group order; lengths may differ. */
  allGather(x: Float32Array): Float32Array;
  /** Part i goes to member i; the result holds what each member sent here. */
  allToAll(parts: readonly Float32Array[]): Float32Array[];
}

export interface RankLinks {
  readonly tensor: RankGroup;
  readonly context: RankGroup;
  /** Ranks with the same weights: data × context. */
  readonly replicas: RankGroup;
  /** Ranks that together hold one copy of weights or optimizer state. */
  readonly shard: RankGroup;
  /** The same shard in the other groups of hybrid sharding. */
  readonly acrossShards: RankGroup;
  /** Ranks over which the experts are spread. */
  readonly expert: RankGroup;
  /** Ranks with the same experts. */
  readonly expertReplicas: RankGroup;
  /** First and last pipeline stage, which share a tied embedding; alone elsewhere. */
  readonly pipelineEnds: RankGroup;
  readonly world: RankGroup;
  /** To the rank of another pipeline stage at the same other coordinates; returns at once. */
  send(stage: number, tag: number, x: Float32Array): void;
  receive(stage: number, tag: number): Float32Array;
}

export interface RankPlace {
  readonly pipeline: number;
  readonly data: number;
  readonly context: number;
  readonly tensor: number;
}

export interface RankLayout {
  readonly parallel: ParallelPlan;
  readonly chunks: LayoutPlan["chunks"];
  readonly at: RankPlace;
}

/** What a rank does with a micro-batch, in its schedule's order. */
export interface RankTask {
  readonly kind: "forward" | "backward" | "weight";
  readonly micro_batch: number;
  readonly chunk: number;
}

/** Even split of `length` into `parts`: the first `length mod parts` get one more. */
export function evenSplit(length: number, parts: number): number[] {
  const base = Math.floor(length / parts);
  const extra = length % parts;
  return Array.from({ length: parts + 1 }, (_, i) => i * base + Math.min(i, extra));
}
