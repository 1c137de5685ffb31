/** Bytes of one pipeline rank at the moments that can be its peak. */
import { type Job, layerNumbers, type Part, tiedElements } from "../time/job.js";

export interface RankMemory {
  readonly weights: number;
  readonly gradients: number;
  readonly optimizer: number;
  /** Saved activations of all micro-batches in flight. */
  readonly activations: number;
  /** Logits and their gradients at the loss. */
  readonly loss: number;
  /** FSDP's gathered layers and unreduced gradients; buckets of data parallelism. */
  readonly buffers: number;
  /** Transformer Engine's weight-gradient buffers. */
  readonly cached: number;
  readonly temporary: number;
  /** Frozen models beside the trained one, key/value caches. */
  readonly others: number;
  readonly peak: number;
  readonly moment: "loss" | "backward" | "optimizer" | "generation";
}

/** Saved bytes of a layer in one micro-batch under its mode. */
export function keptBytes(job: Job, part: Part): number {
  const { memory } = layerNumbers(job, part.kind);
  if (part.offloaded) return 0;
  switch (part.mode) {
    case "none":
      return memory.saved;
    case "full":
      return memory.input;
    case "selective":
      return memory.savedSelective;
    case "ops":
      return memory.saved - droppedBytes(job, part);
  }
}

/** What a set of dropped ops frees. */
function droppedBytes(job: Job, part: Part): number {
  const shares = job.shape.kinds[part.kind]!.opShares;
  const { memory } = layerNumbers(job, part.kind);
  let share = 0;
  for (const op of part.ops) share += shares?.get(op) ?? 0;
  return Math.max(0, memory.saved - memory.input) * Math.min(1, share);
}

/** Micro-batches whose activations a rank holds at once, in units of its own layers. */
export function inFlight(
  job: Job,
  rank: number,
  { schedule, virtual: v }: { readonly schedule: string; readonly virtual: number } = job.layout,
): number {
  const { pipeline: p, accumulation: m } = job.layout;
  if (p === 1) return 1;
  if (schedule === "gpipe") return m;
  if (schedule === "zero_bubble") return Math.min(m, p);
  if (schedule === "dualpipe") return Math.min(2 * m, 2 * p + 1) / 2;
  if (v > 1) return Math.min(m * v, 2 * (p - rank - 1) + (v - 1) * p + 1) / v;
  return Math.min(m, p - rank);
}

/** Buffers between pipeline ranks, for each micro-batch in flight. */
export const passedBytes = (job: Job): number =>
  job.layout.pipeline > 1
    ? (job.rates.stack.pipelineBuffers ?? 0) * layerNumbers(job, job.shape.stack[1]!).memory.input
    : 0;

export function rankMemory(job: Job, rank: number): RankMemory {
  const { layout, numeric, rates } = job;
  const { stack } = rates;
  const profile = job.ranks[rank]!;
  const sharded = layout.shard === "zero3" || layout.shard === "hsdp";
  const copies = layout.data * layout.context;
  let trainable = 0;
  let expert = 0;
  let frozenBytes = 0;
  let saved = 0;
  let widest = 0;
  let largest = 0;
  let largestTrainable = 0;
  let transient = 0;
  let cached = 0;
  let logits = 0;
  for (const part of profile.parts) {
    const { memory } = layerNumbers(job, part.kind);
    const tied = tiedElements(job, profile, part);
    const tableTrains = job.shape.kinds[part.kind]!.tableTrainable;
    trainable += part.count * memory.trainable - (tableTrains ? tied : 0);
    frozenBytes -= tableTrains ? 0 : 2 * tied;
    expert += part.count * memory.expert;
    frozenBytes += part.count * memory.frozenBytes;
    const kept = keptBytes(job, part);
    saved += part.count * kept;
    transient = Math.max(transient, memory.saved - kept);
    widest = Math.max(widest, memory.backwardTemporary);
    largest = Math.max(largest, memory.trainable + memory.frozen);
    largestTrainable = Math.max(largestTrainable, memory.trainable);
    cached = Math.max(cached, memory.cached);
    logits = Math.max(logits, memory.logits);
  }
  const dense = trainable - expert;
  const held = sharded ? layout.shardGroup : 1;
  const state = layout.shard === "none" ? 1 : sharded ? layout.shardGroup : copies;
  const expertState = Math.max(1, state / layout.expert);
  const weights =
    (numeric.weights * dense) / held +
    (numeric.weights * expert) / Math.max(1, held / layout.expert) +
    frozenBytes / held;
  const gradShare = sharded || layout.shard === "zero2" ? state : 1;
  const gradients =
    numeric.gradients * (dense / gradShare + expert / Math.max(1, gradShare / (gradShare > 1 ? layout.expert : 1)));
  const onHost = job.offload === "optimizer" || job.offload === "both";
  const optimizer = onHost ? 0 : numeric.optimizer * (dense / state + expert / expertState);
  const flight = inFlight(job, rank);
  const passed = passedBytes(job);
  const activations = (saved + passed) * flight;
  const loss = logits * stack.lossBytesPerLogit * job.logitsCopies;
  const gathers = stack.overlap.fsdpPrefetch ? 2 : 1;
  const buffers =
    sharded && layout.shardGroup > 1
      ? gathers * largest * numeric.gather + largestTrainable * numeric.reduce
      : layout.shard === "zero2"
        ? Math.min(dense, 5e8) * numeric.reduce
        : 0;
  const kept = stack.cachedWeightGradients ? 2 * cached : 0;
  let others = 0;
  let generation = 0;
  for (const pass of job.passes) {
    let elements = 0;
    for (const kind of pass.shape.stack) {
      const s = pass.shape.kinds[kind]!;
      elements += s.small + s.table + s.gemms.reduce((sum, g) => sum + g.inputs * g.outputs * g.copies, 0);
    }
    if (pass.holds) others += (2 * elements) / layout.tensor / layout.pipeline / held;
    if (pass.kind === "generate")
      generation +=
        (pass.share * layout.microBatch * layout.accumulation * pass.shape.kvBytesPerToken * layout.length) /
        layout.tensor /
        layout.pipeline;
  }
  const fixed = weights + optimizer + kept + others;
  // FSDP frees gradients between steps; with one micro-batch they are not there yet at the loss.
  const early = sharded && layout.accumulation === 1 ? 0 : gradients;
  const atLoss = fixed + early + activations + loss + buffers;
  const atBackward =
    fixed +
    Math.max(early, sharded ? gradients * 0.15 : gradients) +
    activations +
    Math.max(transient, 0) +
    widest +
    buffers;
  const elements = trainable / state;
  const atOptimizer = weights + optimizer + gradients + kept + others + (stack.fusedOptimizer ? 0 : 4 * elements);
  const atGeneration = generation > 0 ? weights + optimizer + others + generation : 0;
  const peak = Math.max(atLoss, atBackward, atOptimizer, atGeneration);
  const moment =
    peak === atBackward ? "backward" : peak === atLoss ? "loss" : peak === atOptimizer ? "optimizer" : "generation";
  return {
    weights,
    gradients: moment === "loss" ? early : gradients,
    optimizer,
    activations: moment === "optimizer" || moment === "generation" ? 0 : activations,
    loss: moment === "loss" ? loss : 0,
    buffers: moment === "optimizer" || moment === "generation" ? 0 : buffers,
    cached: kept,
    temporary:
      moment === "backward"
        ? transient + widest
        : moment === "optimizer"
          ? atOptimizer - weights - optimizer - gradients - kept - others
          : 0,
    others: others + (moment === "generation" ? generation : 0),
    peak,
    moment,
  };
}
