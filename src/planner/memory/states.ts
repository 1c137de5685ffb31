/** What a rank holds through a whole step: weights, gradients, optimizer state, frozen models. */
import { isSharded } from "../time/gather.js";
import { type Job, layerNumbers, tiedElements } from "../time/job.js";
import { gemmElements, type ModelShape } from "../time/shape.js";

export interface States {
  readonly weights: number;
  /** After a backward, and what of them is there before the first one of a step. */
  readonly gradients: number;
  readonly early: number;
  readonly optimizer: number;
  /** Weights of frozen models. */
  readonly others: number;
  /** Transformer Engine's weight-gradient buffers. */
  readonly cached: number;
  /** Trained elements whose update this rank computes. */
  readonly updated: number;
  /** Elements of the rank's dense weights. */
  readonly dense: number;
}

export function statesOf(job: Job, rank: number): States {
  const { layout, numeric, rates } = job;
  const profile = job.ranks[rank]!;
  const sharded = isSharded(job);
  let trainable = 0;
  let expert = 0;
  let frozenBytes = 0;
  let cached = 0;
  for (const part of profile.parts) {
    const { memory } = layerNumbers(job, part.kind);
    const tied = tiedElements(job, profile, part);
    const tableTrains = job.shape.kinds[part.kind]!.tableTrainable;
    trainable += part.count * memory.trainable - (tableTrains ? tied : 0);
    frozenBytes += part.count * memory.frozenBytes - (tableTrains ? 0 : 2 * tied);
    expert += part.count * memory.expert;
    cached = Math.max(cached, memory.cached);
  }
  const dense = trainable - expert;
  const held = sharded ? layout.shardGroup : 1;
  const state = layout.shard === "none" ? 1 : sharded ? layout.shardGroup : layout.data * layout.context;
  const expertState = Math.max(1, state / layout.expert);
  const gradShare = sharded || layout.shard === "zero2" ? state : 1;
  const gradients =
    numeric.gradients * (dense / gradShare + expert / Math.max(1, gradShare / (gradShare > 1 ? layout.expert : 1)));
  const onHost = job.offload === "optimizer" || job.offload === "both";
  const counted = new Set<ModelShape>();
  let others = 0;
  for (const { holds, shape, bytes } of job.phases) {
    if (!holds || counted.has(shape)) continue;
    counted.add(shape);
    others += (bytes * elementsOf(shape)) / layout.tensor / layout.pipeline / held;
  }
  return {
    weights:
      (numeric.weights * dense) / held +
      (numeric.weights * expert) / Math.max(1, held / layout.expert) +
      frozenBytes / held,
    gradients,
    // FSDP frees gradients between steps; with one micro-batch they are not there yet at the loss.
    early: sharded && layout.accumulation === 1 ? 0 : gradients,
    optimizer: onHost ? 0 : numeric.optimizer * (dense / state + expert / expertState),
    others,
    cached: rates.stack.cachedWeightGradients ? 2 * cached : 0,
    updated: trainable / state,
    dense,
  };
}

/** All weights of a model, experts and tables counted. */
export function elementsOf(shape: ModelShape): number {
  let elements = 0;
  for (const kind of shape.stack) {
    const s = shape.kinds[kind]!;
    elements += s.small + s.table + s.gemms.reduce((sum, g) => sum + gemmElements(g), 0);
  }
  return elements;
}

/** Bytes of a rank while nothing is trained: before the first micro-batch of a step. */
export function betweenSteps(job: Job, rank: number): number {
  const s = statesOf(job, rank);
  return s.weights + s.optimizer + s.others + s.cached + keptGradients(job, s);
}

/** Gradient buffers that outlive a step (data-parallel buckets, Megatron's contiguous ones); FSDP keeps none. */
export const keptGradients = (job: Job, s: States): number =>
  isSharded(job) || (job.layout.data * job.layout.context === 1 && job.phases.length > 0) ? 0 : s.gradients;
