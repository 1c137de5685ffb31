/** Seconds of one optimizer step: micro-batches through the pipeline, gathers, reduction, update. */

import { noRanks, withRank } from "../extremes.js";
import { hostBandwidth } from "../recompute/options.js";
import type { Extremes, RankFigures } from "../types.js";
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

/** Share of 1F1B's bubble that stays where weight gradients fill it (see `bubbleSeconds`). */
const unfilled: Readonly<Record<string, number>> = { zero_bubble: 1 / 3, dualpipe: 1 / 3 };

/**
 * Idle time while a pipeline fills and drains, and transfers that nothing hides. `sum`, `again`: seconds of one micro-batch on
 * all ranks, and of its recomputation. GPipe and 1F1B wait (p − 1)(F + B), interleaving a v-th of it (Narayanan et al. 2021);
 * ZB-H1 (p − 1)(F + B − 2W) (Qi et al. 2024), DualPipeV (p − 1)(F&B + B − 3W) of half a rank's layers (DeepSeek-AI 2025):
 * with weight gradients W half of a backward twice as long as the forward, both a third, but nothing fills recomputation.
 */
export function bubbleSeconds(
  job: Job,
  sum: number,
  again: number,
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
  const v = Math.max(1, way.virtual);
  const left = unfilled[way.schedule];
  const idle = left === undefined ? sum / v : left * sum + (1 - left) * again;
  const exposed = (rates.constants["pipeline.hop"] ?? 0.6) * (1 - rates.stack.overlap.pipeline);
  return ((p - 1) * idle) / p + 2 * (p - 1) * v * hop + 2 * m * v * hop * exposed;
}

const blockHidden = (shape: ModelShape): number => shape.kinds[shape.stack[1]!]!.hidden;

/** Launch of a step, data loading, logging: what no layout avoids. */
export const fixedSeconds = ({ rates, devices }: Job): number =>
  rates.stack.stepSeconds + (rates.constants["step.log"] ?? 0.0005) * Math.log2(devices);

/** Everybody waits for the slowest: what a step loses with every doubling of the nodes (jitter, slower chips, shared switches). */
export const raggedness = ({ rates, devices }: Job): number =>
  1 + (rates.constants.ragged ?? 0.004) * Math.log2(Math.max(1, devices / rates.machine.perNode));

/** What a step is made of, from the extremes over ranks. */
export function stepParts(job: Job, x: Extremes) {
  const m = job.layout.accumulation;
  const bubble = bubbleSeconds(job, x.sum, x.again);
  const { seconds: data, tail } = dataSeconds(job, [{ trainable: x.dense + x.expert, expert: x.expert }], x.plain);
  const optimizer = optimizerSeconds(job, [x]);
  const passes = passSeconds(job);
  const fixed = fixedSeconds(job);
  const ragged = raggedness(job);
  return {
    seconds: ragged * (m * x.slowest + bubble + data + tail + optimizer + fixed) + passes,
    bubble: ragged * bubble,
    data: ragged * (data + tail),
    optimizer: ragged * optimizer,
    passes,
    fixed: ragged * fixed,
    ragged,
  };
}

export function stepTime(job: Job): StepTime {
  const { layout } = job;
  const p = layout.pipeline;
  const m = layout.accumulation;
  const ranks: RankTime[] = [];
  let x = noRanks;
  let worst = 0;
  for (let r = 0; r < p; r++) {
    const t = rankTime(job, r);
    ranks.push(t);
    if (t.forward + t.backward > x.slowest) worst = r;
    x = withRank(x, figuresOf(t));
  }
  const at = ranks[worst]!;
  const { seconds, ragged, ...parts } = stepParts(job, x);
  return {
    seconds,
    ranks,
    compute: ragged * m * (x.slowest - at.comm - at.recompute),
    comm: ragged * m * at.comm,
    recompute: ragged * m * at.recompute,
    ...parts,
  };
}

export const figuresOf = (t: RankTime): Omit<RankFigures, "peakBytes"> => ({
  seconds: t.forward + t.backward,
  plain: t.plain,
  again: t.recompute,
  trainable: t.trainable,
  dense: t.trainable - t.expert,
  expert: t.expert,
});

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
