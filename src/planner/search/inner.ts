/** Given the degrees: the best split of layers over ranks and the least recomputation that fits. */
import type { Bytes, Seconds } from "../../units/index.js";
import { type Chunks, splitStack } from "../layout/chunks.js";
import type { ParallelPlan } from "../plan.js";
import type { Placement } from "../recompute/modes.js";
import { type Family, families } from "../recompute/ways.js";
import type { Candidate, CostModel, Evaluation, StageContext } from "../types.js";
import { allowed } from "./space.js";

export interface Frame {
  readonly model: CostModel;
  readonly context: StageContext;
  readonly count: number;
  readonly contextLength: number;
  readonly globalBatch: number;
  /** Device memory that the plan may use (budget included). */
  readonly capacity: Bytes;
}

export interface Solved {
  readonly candidate: Candidate;
  readonly evaluation: Evaluation;
}

export interface InnerResult {
  /** Fastest that fits and beats the limit. */
  readonly best?: Solved;
  /** Smallest peak seen, where nothing fits. */
  readonly smallest?: Solved;
  readonly evaluated: number;
}

export const fits = (frame: Frame, evaluation: Evaluation): boolean =>
  evaluation.fits && evaluation.peakBytes <= frame.capacity;

/** How many ways of recomputing and offloading a layout stands for. */
export function waysOf(frame: Frame, parallel: ParallelPlan): number {
  const { stage, engine, policy } = frame.context;
  const setting = stage.recompute.value;
  const offloads = offloadsOf(frame).length;
  if (setting.kind === "fixed") return offloads;
  if (setting.kind === "choice") return setting.options.length * offloads;
  const layers = policy.stack.length - 2;
  const can = engine.can.recompute;
  const per = Math.ceil(layers / (parallel.pipeline * parallel.virtual));
  const offers = (mode: string): boolean => can.includes(mode as never) || can.includes("perLayer");
  return (
    offloads *
    Math.max(
      1,
      Number(offers("none")) +
        Number(offers("selective")) +
        Number(offers("full")) +
        (offers("every") ? Math.ceil(2 * Math.sqrt(layers)) : 0) +
        (offers("block") ? per - 1 : 0),
    )
  );
}

const offloadsOf = (frame: Frame): readonly Candidate["offload"][] =>
  allowed(frame.context.stage.offload, ["none", ...(frame.context.engine.can.offload as Candidate["offload"][])]);

export function solveLayout(frame: Frame, parallel: ParallelPlan, limit: Seconds): InnerResult {
  const { context, model } = frame;
  const setting = context.stage.recompute.value;
  const wanted = setting.kind === "fixed" ? [setting.value] : setting.kind === "choice" ? setting.options : undefined;
  const ways = families(context.policy, context.engine.can.recompute, wanted);
  const chunks = chunksFor(frame, parallel);
  let evaluated = 0;
  let best: Solved | undefined;
  let smallest: Solved | undefined;
  let bound = limit;
  for (const offload of offloadsOf(frame)) {
    const evaluate = (placement: Placement): Solved => {
      const candidate: Candidate = {
        count: frame.count,
        pricing: "on_demand",
        contextLength: frame.contextLength,
        globalBatch: frame.globalBatch,
        parallel,
        recompute: placement,
        offload,
        chunks,
      };
      evaluated++;
      const solved = { candidate, evaluation: model.evaluate(context, candidate) };
      if (fits(frame, solved.evaluation)) {
        if (solved.evaluation.stepSeconds < bound) {
          best = solved;
          bound = solved.evaluation.stepSeconds;
        }
      } else if (smallest === undefined || solved.evaluation.peakBytes < smallest.evaluation.peakBytes)
        smallest = solved;
      return solved;
    };
    searchFamilies(frame, ways, chunks, evaluate, () => bound);
  }
  return {
    ...(best === undefined ? {} : { best }),
    ...(smallest === undefined ? {} : { smallest }),
    evaluated,
  };
}

/** In each family memory falls and time grows with the member's number: the first that fits is its fastest. */
function searchFamilies(
  frame: Frame,
  ways: readonly Family[],
  chunks: Chunks,
  evaluate: (placement: Placement) => Solved,
  bound: () => Seconds,
): void {
  for (const family of ways) {
    const size = family.size(chunks);
    if (size === 0) continue;
    const first = evaluate(family.member(0, chunks));
    if (fits(frame, first.evaluation)) {
      // Keeping everything is fastest of all.
      if (family.name === "none") return;
      continue;
    }
    if (family.name === "none" && first.evaluation.stepSeconds >= bound()) return;
    if (size === 1 || first.evaluation.stepSeconds >= bound()) continue;
    if (!fits(frame, evaluate(family.member(size - 1, chunks)).evaluation)) continue;
    let low = 0;
    let high = size - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (fits(frame, evaluate(family.member(middle, chunks)).evaluation)) high = middle;
      else low = middle;
    }
  }
}

/** Balanced by the time of each layer kind, embedding and head counted. */
export function chunksFor(frame: Frame, parallel: ParallelPlan): Chunks {
  const { context, model } = frame;
  const { stack } = context.policy;
  const times = new Map<string, number>();
  const seconds = stack.map((kind) => {
    let time = times.get(kind);
    if (time === undefined) {
      const cost = model.layerCost(context, kind, { parallel, contextLength: frame.contextLength });
      time = cost.forwardSeconds + cost.backwardSeconds + cost.forwardCommSeconds + cost.backwardCommSeconds;
      times.set(kind, time);
    }
    return time;
  });
  return splitStack({
    seconds,
    pipeline: parallel.pipeline,
    virtual: parallel.virtual,
    schedule: parallel.schedule,
    even: !context.engine.can.unevenPipeline,
  });
}
