/** Bytes of one pipeline rank at the moments that can be its peak. */
import { isSharded } from "../time/gather.js";
import { type Job, layerNumbers, numbersOf, type Part } from "../time/job.js";
import { rolloutOf } from "./rollout.js";
import { keptGradients, statesOf } from "./states.js";

/** What a rank holds at one moment; together they are its bytes. */
export interface MomentParts {
  readonly weights: number;
  readonly gradients: number;
  readonly optimizer: number;
  /** Saved activations of all micro-batches in flight. */
  readonly activations: number;
  /** Logits and their gradients at the loss. */
  readonly loss: number;
  /** FSDP's gathered layers and unreduced gradients; buckets of data parallelism; weights gathered to generate. */
  readonly buffers: number;
  /** Transformer Engine's weight-gradient buffers. */
  readonly cached: number;
  readonly temporary: number;
  /** Frozen models beside the trained one. */
  readonly others: number;
  /** Key/value caches of rollouts. */
  readonly caches: number;
}

export interface RankMemory extends MomentParts {
  readonly peak: number;
  /** Of the update, or the phase beside it whose moment this is. */
  readonly moment: "loss" | "backward" | "optimizer" | "phase";
  /** Id in the objective's graph. */
  readonly phase: string;
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

const momentOf = (moment: RankMemory["moment"], phase: string, parts: MomentParts): RankMemory => ({
  weights: parts.weights,
  gradients: parts.gradients,
  optimizer: parts.optimizer,
  activations: parts.activations,
  loss: parts.loss,
  buffers: parts.buffers,
  cached: parts.cached,
  temporary: parts.temporary,
  others: parts.others,
  caches: parts.caches,
  moment,
  phase,
  peak:
    parts.weights +
    parts.gradients +
    parts.optimizer +
    parts.activations +
    parts.loss +
    parts.buffers +
    parts.cached +
    parts.temporary +
    parts.others +
    parts.caches,
});

/** Layers whose weights are gathered at once. */
export const gathers = (job: Job): number => (job.rates.stack.overlap.fsdpPrefetch ? 2 : 1);

/** Every moment that can be the peak: those of the update first. */
export function rankMoments(job: Job, rank: number): RankMemory[] {
  const { layout, numeric, rates } = job;
  const { stack } = rates;
  const sharded = isSharded(job);
  const states = statesOf(job, rank);
  let saved = 0;
  let widest = 0;
  let largest = 0;
  let largestTrainable = 0;
  let transient = 0;
  let logits = 0;
  for (const part of job.ranks[rank]!.parts) {
    const { memory } = layerNumbers(job, part.kind);
    const kept = keptBytes(job, part);
    saved += part.count * kept;
    transient = Math.max(transient, memory.saved - kept);
    widest = Math.max(widest, memory.backwardTemporary);
    largest = Math.max(largest, memory.trainable + memory.frozen);
    largestTrainable = Math.max(largestTrainable, memory.trainable);
    logits = Math.max(logits, memory.logits);
  }
  const activations = (saved + passedBytes(job)) * inFlight(job, rank);
  const buffers =
    sharded && layout.shardGroup > 1
      ? gathers(job) * largest * numeric.gather + largestTrainable * numeric.reduce
      : layout.shard === "zero2"
        ? Math.min(states.dense, 5e8) * numeric.reduce
        : 0;
  const base: MomentParts = {
    weights: states.weights,
    gradients: states.early,
    optimizer: states.optimizer,
    activations,
    loss: 0,
    buffers,
    cached: states.cached,
    temporary: 0,
    others: states.others,
    caches: 0,
  };
  const moments = [
    momentOf("backward", "update", {
      ...base,
      gradients: Math.max(states.early, sharded ? states.gradients * 0.15 : states.gradients),
      temporary: Math.max(transient, 0) + widest,
    }),
    momentOf("loss", "update", { ...base, loss: logits * stack.lossBytesPerLogit * job.logitsCopies }),
    momentOf("optimizer", "update", {
      ...base,
      gradients: states.gradients,
      activations: 0,
      buffers: 0,
      temporary: stack.fusedOptimizer ? 0 : 4 * states.updated,
    }),
  ];
  for (const one of job.phases) {
    const { phase, shape, cache } = one;
    if (phase.kind === "reward" || phase.kind === "train") continue;
    const before = { ...base, gradients: keptGradients(job, states), activations: 0, buffers: 0 };
    if (phase.kind === "forward") {
      let wide = 0;
      let gathered = 0;
      let head = 0;
      for (const kind of shape.stack) {
        const { memory } = numbersOf(rates, shape, layout, kind, cache);
        wide = Math.max(wide, memory.forwardTemporary + 2 * memory.input);
        gathered = Math.max(gathered, memory.trainable + memory.frozen);
        head = Math.max(head, memory.logits);
      }
      moments.push(
        momentOf("phase", phase.id, {
          ...(phase.beside ? { ...base, loss: logits * 2 } : before),
          buffers: sharded && layout.shardGroup > 1 ? gathers(job) * gathered * numeric.gather : 0,
          // Log-probabilities of a forward's logits: 16 bits, fp32, and the soft maximum of them.
          temporary: Math.max(wide, 10 * head),
        }),
      );
    } else {
      const rollout = rolloutOf(job, one);
      const decoding = phase.kind === "decode";
      moments.push(
        momentOf("phase", phase.id, {
          ...before,
          buffers: rollout.weights,
          caches: decoding ? rollout.cache : rollout.prefilled,
          temporary: decoding ? rollout.sampling : rollout.temporary,
        }),
      );
    }
  }
  return moments;
}

export function rankMemory(job: Job, rank: number): RankMemory {
  return rankMoments(job, rank).reduce((most, m) => (m.peak > most.peak ? m : most));
}
