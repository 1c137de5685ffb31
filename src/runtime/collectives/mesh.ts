/**
 * The device mesh: rank ↔ coordinates on the axes pipeline, data, context, tensor (tensor varies fastest, so that it
 * stays on the fastest link). Expert parallelism is a second view of data × context: consecutive ranks of that product
 * form an expert group (Megatron-Core's and torchtitan's layout).
 */
import type { ParallelPlan } from "../../planner/plan.js";
import type { Channel } from "./channel.js";
import { type Group, makeGroup } from "./group.js";

export interface Coordinates {
  readonly pipeline: number;
  readonly data: number;
  readonly context: number;
  readonly tensor: number;
}

type Degrees = Pick<ParallelPlan, "pipeline" | "data" | "context" | "tensor" | "expert" | "shard" | "shard_group">;

export const worldSize = (d: Degrees): number => d.pipeline * d.data * d.context * d.tensor;

export function coordinatesOf(rank: number, d: Degrees): Coordinates {
  const tensor = rank % d.tensor;
  const context = Math.floor(rank / d.tensor) % d.context;
  const data = Math.floor(rank / (d.tensor * d.context)) % d.data;
  const pipeline = Math.floor(rank / (d.tensor * d.context * d.data));
  return { pipeline, data, context, tensor };
}

export const rankOf = (c: Coordinates, d: Degrees): number =>
  ((c.pipeline * d.data + c.data) * d.context + c.context) * d.tensor + c.tensor;

export interface Mesh {
  readonly rank: number;
  readonly at: Coordinates;
  readonly tensor: Group;
  readonly context: Group;
  readonly data: Group;
  /** All ranks that hold the same dense weights: data × context. Gradients are averaged over it. */
  readonly replicas: Group;
  /** Ranks that together hold one copy of the weights or optimizer state (all replicas, or the HSDP group). */
  readonly shard: Group;
  /** Ranks with the same shard in different HSDP groups. */
  readonly acrossShards: Group;
  /** Ranks among which the experts are spread. */
  readonly expert: Group;
  /** Ranks that hold the same experts. */
  readonly expertReplicas: Group;
  /** First and last pipeline stage: tied embeddings are summed over it. */
  readonly pipelineEnds: Group;
  readonly world: Group;
  /** Rank of a pipeline stage at the same other coordinates. */
  readonly stageRank: (stage: number) => number;
}

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

export function makeMesh(channel: Channel, d: Degrees): Mesh {
  const { rank } = channel;
  const at = coordinatesOf(rank, d);
  const replicas = range(d.data).flatMap((data) =>
    range(d.context).map((context) => rankOf({ ...at, data, context }, d)),
  );
  const mine = replicas.indexOf(rank);
  const blocks = (size: number): number[] =>
    replicas.slice(Math.floor(mine / size) * size, (Math.floor(mine / size) + 1) * size);
  const strided = (size: number): number[] => replicas.filter((_, i) => i % size === mine % size);
  const shardSize = d.shard === "hsdp" ? d.shard_group : replicas.length;
  const stageRank = (pipeline: number): number => rankOf({ ...at, pipeline }, d);
  let tag = 1;
  const group = (ranks: readonly number[]): Group => makeGroup(channel, ranks, tag++);
  return {
    rank,
    at,
    tensor: group(range(d.tensor).map((tensor) => rankOf({ ...at, tensor }, d))),
    context: group(range(d.context).map((context) => rankOf({ ...at, context }, d))),
    data: group(range(d.data).map((data) => rankOf({ ...at, data }, d))),
    replicas: group(replicas),
    shard: group(blocks(shardSize)),
    acrossShards: group(strided(shardSize)),
    expert: group(blocks(d.expert)),
    expertReplicas: group(strided(d.expert)),
    pipelineEnds: group(
      at.pipeline === 0 || at.pipeline === d.pipeline - 1
        ? [...new Set([stageRank(0), stageRank(d.pipeline - 1)])]
        : [rank],
    ),
    world: group(range(worldSize(d))),
    stageRank,
  };
}
