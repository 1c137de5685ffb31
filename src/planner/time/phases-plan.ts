/** What an objective does in a step, phase by phase: work, seconds, and the memory of the worst rank. */
import { phaseFigures } from "../../model/index.js";
import { type RankMemory, rankMoments } from "../memory/rank.js";
import { rolloutOf } from "../memory/rollout.js";
import { itemsOf } from "../memory/walk.js";
import type { PhasePlan } from "../plan.js";
import type { Candidate, StageContext } from "../types.js";
import { plainRollout } from "./job.js";
import { jobOfCandidate, objectiveOf } from "./job-of-candidate.js";
import { phaseSeconds } from "./phases.js";
import { stepTime } from "./step.js";

/** Undefined: the stage only trains one model. */
export function phasesPlan(context: StageContext, candidate: Candidate): readonly PhasePlan[] | undefined {
  const job = jobOfCandidate(context, candidate);
  if (job.phases.length === 0) return undefined;
  const graph = objectiveOf(context);
  const form = (job.rollout ?? plainRollout).cache;
  const figures = phaseFigures(graph, candidate.contextLength, form);
  const moments = job.ranks.flatMap((_, rank) => rankMoments(job, rank));
  const step = stepTime(job);
  return graph.phases.map((phase, i): PhasePlan => {
    const one = job.phases.find((p) => p.phase.id === phase.id);
    const f = figures[i]!;
    const sequences = candidate.globalBatch * phase.sequences;
    const worst = moments
      .filter((m) => m.phase === phase.id)
      .reduce<RankMemory | undefined>((a, b) => (a === undefined || b.peak > a.peak ? b : a), undefined);
    const generates = one !== undefined && phase.role === "rollout";
    return {
      phase: phase.id,
      role: phase.role,
      sequences,
      tokens: sequences * f.tokens,
      flops: sequences * f.flops,
      seconds: one === undefined ? step.seconds - step.passes : phaseSeconds(job, one),
      ...(generates ? { portions: rolloutOf(job, one).waves, cache_bytes: Math.round(worst?.caches ?? 0) } : {}),
      peak_bytes: Math.round(worst?.peak ?? 0),
      breakdown: worst === undefined ? [] : itemsOf(worst),
    };
  });
}
