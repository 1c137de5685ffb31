/** Memory and time of a layout on accelerators: the physics, under the contract of the search. */
import { fitsDevice, roomBytes } from "./memory/device.js";
import { memoryPlan } from "./memory/plan.js";
import { rankMemory } from "./memory/rank.js";
import { groupBound, lowerBound } from "./time/bound.js";
import type { RankProfile } from "./time/job.js";
import { jobOfCandidate, jobOfRanks, profileOf } from "./time/job-of-candidate.js";
import { layerCost } from "./time/layer-cost.js";
import { phasesPlan } from "./time/phases-plan.js";
import { timePlan } from "./time/plan.js";
import { figuresOf, rankTime, stepParts, stepTime } from "./time/step.js";
import type { CostModel, Evaluation, RankLoad } from "./types.js";

export const costModel: CostModel = {
  layerCost,
  evaluate(context, candidate): Evaluation {
    const job = jobOfCandidate(context, candidate);
    const t = stepTime(job);
    let peak = 0;
    const ranks: RankLoad[] = t.ranks.map((r, rank) => {
      const peakBytes = rankMemory(job, rank).peak;
      if (peakBytes > peak) peak = peakBytes;
      return { peakBytes, microBatchSeconds: r.forward + r.backward };
    });
    return { fits: fitsDevice(job, peak), peakBytes: peak, roomBytes: roomBytes(job), stepSeconds: t.seconds, ranks };
  },
  splitting(context, of) {
    const ranks: RankProfile[] = [];
    const job = jobOfRanks(context, of, ranks);
    return {
      roomBytes: roomBytes(job),
      load(rank, layers, first, last) {
        ranks[rank] = profileOf(context, layers, first, last);
        return { ...figuresOf(rankTime(job, rank)), peakBytes: rankMemory(job, rank).peak };
      },
      stepSeconds: (x) => stepParts(job, x).seconds,
    };
  },
  lowerBound,
  groupBound,
  memoryPlan: (context, candidate) => memoryPlan(jobOfCandidate(context, candidate), candidate),
  phasesPlan,
  timePlan: (context, candidate) => timePlan(context, candidate, jobOfCandidate(context, candidate)),
};
