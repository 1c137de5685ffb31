/** Seconds of one optimizer step: micro-batches through the pipeline, gathers, reduction, update. */

import { hostBandwidth } from "../recompute/options.js";
import { allReduceSeconds, type Group, gatherSeconds, groupOf, sendSeconds } from "./collectives.js";
import { gatherGroup, gatherTraffic, isSharded, underGather } from "./gather.js";
import { type Job, layerNumbers, type Part, tiedElements } from "./job.js";
import { passSeconds } from "./phases.js";
import type { ModelShape } from "./shape.js";

export interface RankTime {
  readonly forward: number;
  readonly backward: number;
  /** Of both: exposed communication of tensor, context, expert axes and of FSDP. */
  readonly comm: number;
  readonly recompute: number;
  /** The backward alone, without recomputation: what gradient reduction may hide behind. */
  readonly plain: number;
  readonly parameters: number;
  readonly trainable: number;
  readonly expert: number;
}

export interface StepTime {
  readonly seconds: number;
  readonly ranks: readonly RankTime[];
  readonly compute: number;
  readonly comm: number;
  readonly recompute: number;
  readonly bubble: number;
  readonly data: number;
  readonly optimizer: number;
  readonly passes: number;
  readonly fixed: number;
}

/** Ranks that share gradients: data × context, strided by the tensor axis. */
export const replicas = (job: Job): Group =>
  groupOf(job.rates, job.layout.data * job.layout.context, job.layout.tensor);

/** Seconds of running again what a layer's mode dropped. */
export function again(job: Job, part: Part): { seconds: number; comm: number } {
  const { time } = layerNumbers(job, part.kind);
  const { selective } = job.rates.stack;
  switch (part.mode) {
    case "none":
      return { seconds: 0, comm: 0 };
    case "full":
      return { seconds: time.forward, comm: time.againComm };
    case "selective":
      return selective.unit === "attention"
        ? { seconds: time.attention * selective.again, comm: 0 }
        : { seconds: time.forward * selective.again, comm: time.againComm * selective.again };
    case "ops":
      return { seconds: part.ops.reduce((sum, op) => sum + (time.ops.get(op) ?? 0), 0) * job.rates.factor, comm: 0 };
  }
}

const shapeOf = (job: Job, part: Part) => job.shape.kinds[part.kind]!;
export function rankTime(job: Job, rank: number): RankTime {
  const { rates } = job;
  const profile = job.ranks[rank]!;
  const group = gatherGroup(job);
  let forward = 0;
  let backward = 0;
  let comm = 0;
  let recompute = 0;
  let plain = 0;
  let parameters = 0;
  let trainable = 0;
  let expert = 0;
  let exposedFirst = 0;
  for (const part of profile.parts) {
    const { time, memory } = layerNumbers(job, part.kind);
    const more = again(job, part);
    const n = part.count;
    let f = time.forward + time.forwardComm;
    let b = time.backward + time.backwardComm + more.seconds + more.comm;
    comm += n * (time.forwardComm + time.backwardComm + more.comm);
    recompute += n * more.seconds;
    plain += n * (time.backward + time.backwardComm);
    if (part.offloaded) {
      const copy = memory.saved / hostBandwidth;
      f = Math.max(f, copy);
      b = Math.max(b, copy);
    }
    if (group !== undefined) {
      const traffic = gatherTraffic(job, memory, group);
      const f2 = underGather(rates, f, traffic.forward);
      const b2 = underGather(rates, b, traffic.backward);
      comm += n * (f2 - f + b2 - b);
      f = f2;
      b = b2;
      exposedFirst = Math.max(exposedFirst, traffic.forward.seconds);
    }
    forward += n * f;
    backward += n * b;
    const tied = tiedElements(job, profile, part);
    parameters += n * (memory.trainable + memory.frozen) - tied;
    trainable += n * memory.trainable - (shapeOf(job, part).tableTrainable ? tied : 0);
    expert += n * memory.expert;
  }
  // The first gather of a pass has nothing to hide behind, nor has the last reduction.
  forward += exposedFirst;
  backward += exposedFirst;
  comm += 2 * exposedFirst;
  return { forward, backward, comm, recompute, plain, parameters, trainable, expert };
}

/** Idle time while a pipeline fills and drains, and transfers that nothing hides. `sum`: one micro-batch on all ranks. */
export function bubbleSeconds(
  job: Job,
  sum: number,
  way: { readonly schedule: string; readonly virtual: number } = job.layout,
): number {
  const { rates, layout, shape } = job;
  const { pipeline: p, accumulation: m } = layout;
  if (p === 1) return 0;
  // Each rank of a tensor group sends its part; the next stage gathers (Narayanan et al. 2021, section 4.1).
  const spread = layout.tensor;
  const tokens = (layout.microBatch * layout.length) / layout.context;
  const hop =
    sendSeconds(rates, (2 * tokens * blockHidden(shape)) / spread, layout.tensor * layout.context * layout.data) *
    rates.factor;
  const filled = way.schedule === "zero_bubble" ? 0.4 : way.schedule === "dualpipe" ? 0.25 : 1;
  const v = way.schedule === "gpipe" ? 1 : Math.max(1, way.virtual);
  const exposed = (rates.constants["pipeline.hop"] ?? 0.6) * (1 - rates.stack.overlap.pipeline);
  return (filled * (p - 1) * (sum / p)) / v + 2 * (p - 1) * hop + 2 * m * v * hop * exposed;
}

const blockHidden = (shape: ModelShape): number => shape.kinds[shape.stack[1]!]!.hidden;

/** Launch of a step, data loading, logging: what no layout avoids. */
export const fixedSeconds = ({ rates, devices }: Job): number =>
  rates.stack.stepSeconds + (rates.constants["step.log"] ?? 0.0005) * Math.log2(devices);

/** Everybody waits for the slowest: what a step loses with every doubling of the nodes (jitter, slower chips, shared switches). */
export const raggedness = ({ rates, devices }: Job): number =>
  1 + (rates.constants.ragged ?? 0.004) * Math.log2(Math.max(1, devices / rates.machine.perNode));

export function stepTime(job: Job): StepTime {
  const { layout } = job;
  const p = layout.pipeline;
  const m = layout.accumulation;
  let slowest = 0;
  let sum = 0;
  let worst = 0;
  const ranks: RankTime[] = [];
  for (let r = 0; r < p; r++) {
    const t = rankTime(job, r);
    ranks.push(t);
    const one = t.forward + t.backward;
    sum += one;
    if (one > slowest) {
      slowest = one;
      worst = r;
    }
  }
  const at = ranks[worst]!;
  const bubble = bubbleSeconds(job, sum);
  const { seconds: data, tail } = dataSeconds(job, ranks, at.plain);
  const optimizer = optimizerSeconds(job, ranks);
  const passes = passSeconds(job);
  const fixed = fixedSeconds(job);
  const ragged = raggedness(job);
  return {
    seconds: ragged * (m * slowest + bubble + data + tail + optimizer + fixed) + passes,
    ranks,
    compute: ragged * m * (slowest - at.comm - at.recompute),
    comm: ragged * m * at.comm,
    recompute: ragged * m * at.recompute,
    bubble: ragged * bubble,
    data: ragged * (data + tail),
    optimizer: ragged * optimizer,
    passes,
    fixed: ragged * fixed,
  };
}

/** Exposed gradient reduction and gathering of updated weights, without FSDP (or between HSDP's replicas). */
export function dataSeconds(
  job: Job,
  ranks: readonly { trainable: number; expert: number }[],
  backward: number,
): { seconds: number; tail: number } {
  const { rates, layout, numeric } = job;
  const group = replicas(job);
  if (group.size <= 1) return { seconds: 0, tail: 0 };
  let most = 0;
  let experts = 0;
  for (const r of ranks) {
    most = Math.max(most, r.trainable - r.expert);
    experts = Math.max(experts, r.expert);
  }
  if (layout.shard === "zero3") return { seconds: 0, tail: 0 };
  let traffic: number;
  if (layout.shard === "hsdp") {
    const copies = Math.max(1, Math.round(group.size / layout.shardGroup));
    traffic = allReduceSeconds(rates, (most * numeric.reduce) / layout.shardGroup, {
      size: copies,
      local: Math.max(1, Math.floor(group.local / layout.shardGroup)),
    });
  } else {
    const zero = layout.shard !== "none";
    const reduce = zero
      ? gatherSeconds(rates, most * numeric.reduce, group)
      : allReduceSeconds(rates, most * numeric.reduce, group);
    const back = zero ? gatherSeconds(rates, most * numeric.gather, group) : 0;
    traffic = reduce + back;
    if (experts > 0) {
      const share = Math.max(1, group.size / layout.expert);
      const own = groupOf(rates, share, layout.tensor * layout.expert);
      traffic +=
        gatherSeconds(rates, experts * numeric.reduce, own) +
        (zero ? gatherSeconds(rates, experts * numeric.gather, own) : 0);
    }
  }
  const hidden = Math.min(traffic * rates.stack.overlap.dataParallel, backward * 1.3);
  return { seconds: rates.factor * (traffic - hidden), tail: 0 };
}

export function optimizerSeconds(job: Job, ranks: readonly { trainable: number }[]): number {
  const { rates, layout, numeric } = job;
  const split = layout.shard === "none" ? 1 : isSharded(job) ? layout.shardGroup : layout.data * layout.context;
  const most = ranks.reduce((a, r) => Math.max(a, r.trainable), 0);
  // Reads and writes each state once, reads gradients twice (norm, update), writes the compute copy.
  const bytes = (most / split) * (2 * numeric.optimizer + 2 * numeric.gradients + numeric.weights);
  const fused = rates.stack.fusedOptimizer ? 1 : 2.5;
  const host = job.offload === "optimizer" || job.offload === "both" ? bytes / hostBandwidth : 0;
  return (fused * bytes) / rates.memory + host;
}
