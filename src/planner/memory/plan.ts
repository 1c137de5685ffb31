/** The memory of a plan: each rank's peak by name, and the worst rank over a step. */
import type { MemoryPlan } from "../plan.js";
import { type Job, layerNumbers } from "../time/job.js";
import { treatedAs } from "../time/job-of-candidate.js";
import { phaseSeconds } from "../time/phases.js";
import { stepTime } from "../time/step.js";
import type { Candidate } from "../types.js";
import { contextBytes, fitsDevice, reservedBytes } from "./device.js";
import { type RankMemory, rankMemory, rankMoments } from "./rank.js";
import { itemsOf, type PlacedLayer, placeOf, placeText, timelineOf } from "./walk.js";

export interface Peak {
  readonly bytes: number;
  readonly rank: number;
  readonly memory: RankMemory;
  readonly ranks: readonly RankMemory[];
}

export function peakOf(job: Job): Peak {
  const ranks = job.ranks.map((_, rank) => rankMemory(job, rank));
  let rank = 0;
  for (const [r, m] of ranks.entries()) if (m.peak > ranks[rank]!.peak) rank = r;
  const memory = ranks[rank]!;
  return { bytes: memory.peak, rank, memory, ranks };
}

/** Layers of each rank in the order of their forward. */
function layersOf(job: Job, candidate: Candidate): readonly PlacedLayer[][] {
  const ranks: PlacedLayer[][] = Array.from({ length: candidate.parallel.pipeline }, () => []);
  for (const { rank, first, last } of candidate.chunks)
    for (let index = first; index <= last; index++)
      ranks[rank]!.push({ index, part: treatedAs(job.shape, job.shape.stack[index]!, candidate.recompute[index]!) });
  return ranks;
}

export function memoryPlan(job: Job, candidate: Candidate): MemoryPlan {
  const peak = peakOf(job);
  const t = stepTime(job);
  const reserved = reservedBytes(job, peak.bytes);
  const parameters =
    job.shape.stack.reduce((sum, kind) => {
      const { memory } = layerNumbers(job, kind);
      return sum + memory.trainable;
    }, 0) * job.layout.tensor;
  const { numeric, rates } = job;
  const offloaded = job.offload === "optimizer" || job.offload === "both";
  const perDevice = offloaded ? (parameters * numeric.optimizer) / job.devices : 0;
  const saved = job.offload === "activations" || job.offload === "both" ? peak.memory.activations : 0;
  const layers = layersOf(job, candidate);
  const phases = new Map(job.phases.map((one) => [one.phase.id, phaseSeconds(job, one)]));
  const walked = peak.ranks.map((last, rank) => {
    const moments = rankMoments(job, rank);
    const memory = moments.find((m) => m.moment === last.moment && m.phase === last.phase)!;
    const place = placeOf(job, rank, memory, layers[rank]!);
    const text = placeText(job, place, layers[rank]!);
    return { place, text, timeline: timelineOf(job, t, rank, layers[rank]!, { memory, moments, place, text, phases }) };
  });
  const worst = walked[peak.rank]!;
  return {
    peak_bytes: peak.bytes,
    reserved_bytes: reserved,
    driver_bytes: reserved + contextBytes(job),
    capacity_bytes: rates.machine.memoryBytes,
    fits: fitsDevice(job, peak.bytes),
    host_bytes: Math.round((perDevice + saved + 6 * 1024 ** 3) * rates.machine.perNode),
    // Weights in bf16 and the whole optimizer state, for one checkpoint.
    disk_bytes: Math.round(parameters * (2 + numeric.optimizer)),
    peak_at: worst.text,
    peak: worst.place,
    breakdown: itemsOf(peak.memory),
    ranks: peak.ranks.map((m, rank) => ({
      rank,
      peak_bytes: m.peak,
      breakdown: itemsOf(m),
      ...(peak.ranks.length > 1
        ? { timeline: walked[rank]!.timeline.map(({ seconds, bytes }) => ({ seconds, bytes })) }
        : {}),
    })),
    timeline: worst.timeline,
  };
}
