/** The time of a plan: the step by what takes it, and the pipeline's schedule. */

import { peakOf } from "../../hardware/index.js";
import { attended } from "../../model/index.js";
import type { TimePlan } from "../plan.js";
import { simulate } from "../schedule/index.js";
import type { Candidate, StageContext } from "../types.js";
import { type Job, layerNumbers } from "./job.js";
import { phaseNames, phaseSeconds } from "./phases.js";
import { gemmElements, type ModelShape } from "./shape.js";
import { type StepTime, stepTime } from "./step.js";

/** Training FLOPs of one token without recomputation: forward three times over, routed experts only. */
export function flopsPerToken(shape: ModelShape, length: number): number {
  let forward = 0;
  let backward = 0;
  for (const kind of shape.stack) {
    const s = shape.kinds[kind]!;
    for (const g of s.gemms) {
      const used = g.copies > 1 && s.moe !== undefined ? s.moe.topK / s.moe.experts : 1;
      const f = 2 * gemmElements(g) * used;
      forward += f;
      backward += f * (g.trainable ? 2 : 1);
    }
    if (s.attention !== undefined) {
      const a = s.attention;
      const f = 2 * attended(a, length) * a.heads * (a.qkDim + a.vDim);
      forward += f;
      backward += 2 * f;
    }
  }
  return forward + backward;
}

export function timePlan(
  context: StageContext,
  candidate: Candidate,
  job: Job,
): Omit<TimePlan, "total_seconds" | "goodput"> {
  const t = stepTime(job);
  const tokens = job.layout.data * job.layout.microBatch * job.layout.accumulation * job.layout.length;
  const perSecond = tokens / t.seconds;
  // An accelerator has a peak: the checker wants one of the user's own, and all bundled ones do.
  const peak = peakOf(context.accelerator, context.precision.compute.value)!;
  const parts: readonly (readonly [string, number])[] = [
    ["compute", t.compute],
    ["exposed communication of layers", t.comm],
    ["recomputation", t.recompute],
    ["pipeline bubble and transfers", t.bubble],
    ["exposed data-parallel communication", t.data],
    ["optimizer", t.optimizer],
    ...job.phases.map((one) => [phaseNames[one.phase.id] ?? one.phase.id, phaseSeconds(job, one)] as const),
    ["fixed cost of a step", t.fixed],
  ];
  return {
    step_seconds: t.seconds,
    tokens_per_second: perSecond,
    tokens_per_second_per_device: perSecond / job.devices,
    mfu: (flopsPerToken(job.shape, job.layout.length) * perSecond) / (peak * job.devices),
    breakdown: parts.filter(([, seconds]) => seconds > 0).map(([what, seconds]) => ({ what, seconds })),
    schedule: scheduleOf(candidate, job, t),
  };
}

/** Tasks of the simulated schedule; nobody reads more than a few thousand. */
const mostTasks = 4096;

function scheduleOf(candidate: Candidate, job: Job, t: StepTime): TimePlan["schedule"] {
  const { pipeline, virtual, accumulation, schedule } = candidate.parallel;
  if (pipeline === 1) return [];
  const microBatches = Math.max(
    Math.min(accumulation, 2 * pipeline),
    Math.min(accumulation, Math.floor(mostTasks / (2 * pipeline * virtual) / pipeline) * pipeline),
  );
  const of = (rank: number, c: { first: number; last: number }): number => {
    const total = candidate.chunks.filter((x) => x.rank === rank).reduce((sum, x) => sum + weight(job, x), 0);
    return total === 0 ? 0 : weight(job, c) / total;
  };
  const forward = candidate.chunks.map((c) => t.ranks[c.rank]!.forward * of(c.rank, c));
  const backward = candidate.chunks.map((c) => t.ranks[c.rank]!.backward * of(c.rank, c));
  const { tasks } = simulate({
    kind: schedule,
    ranks: pipeline,
    virtual,
    microBatches,
    forward,
    backward,
    transfer: 0,
  });
  return tasks;
}

function weight(job: Job, chunk: { readonly first: number; readonly last: number }): number {
  let sum = 0;
  for (let i = chunk.first; i <= chunk.last; i++) sum += layerNumbers(job, job.shape.stack[i]!).time.forward;
  return sum;
}
