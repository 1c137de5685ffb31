/** Given the degrees: the best split of layers over ranks and the least recomputation that fits. */
import type { Seconds } from "../../units/index.js";
import { type Chunks, splitStack } from "../layout/chunks.js";
import type { ParallelPlan } from "../plan.js";
import { full, none, offloaded, type Placement } from "../recompute/modes.js";
import { hostBandwidth } from "../recompute/options.js";
import { type Family, families } from "../recompute/ways.js";
import type { Candidate, Evaluation, SplitModel } from "../types.js";
import { type Frame, fits } from "./frame.js";
import { placeLayers } from "./placement.js";
import { allowed } from "./space.js";
import { bestSplit, canHold, Ranks, type Treatment } from "./split.js";

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
  /** Where something is not proven: nothing that was missed is faster than this. */
  readonly floor?: Seconds;
}

/** How many ways of recomputing and offloading a layout with so many chunks stands for. */
export function waysOf(frame: Frame, chunks: number): number {
  const { stage, engine, policy } = frame.context;
  const setting = stage.recompute.value;
  const offloads = offloadsOf(frame).length;
  if (setting.kind === "fixed") return offloads;
  if (setting.kind === "choice") return setting.options.length * offloads;
  const layers = policy.stack.length - 2;
  const can = engine.can.recompute;
  const per = Math.ceil(layers / chunks);
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
  const perLayer = wanted === undefined && context.engine.can.recompute.includes("perLayer");
  const balanced = chunksFor(frame, parallel);
  const splits = context.engine.can.unevenPipeline && parallel.pipeline > 1;
  let evaluated = 0;
  let best: Solved | undefined;
  let smallest: Solved | undefined;
  let bound = limit;
  let floor: Seconds | undefined;
  for (const offload of offloadsOf(frame)) {
    const moves = offload === "activations" || offload === "both";
    const look = (placement: Placement, chunks: Chunks, asIs = false): Solved => {
      const candidate: Candidate = {
        count: frame.count,
        pricing: "on_demand",
        contextLength: frame.contextLength,
        globalBatch: frame.globalBatch,
        parallel,
        recompute: moves && !asIs ? offloaded(context.policy, placement) : placement,
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
    const { count, contextLength } = frame;
    const splitting = splits ? model.splitting?.(context, { count, contextLength, parallel, offload }) : undefined;
    if (splitting !== undefined) {
      const treated = (placement: Placement): Placement => (moves ? offloaded(context.policy, placement) : placement);
      const doubt = searchSplits(frame, parallel, splitting, ways, balanced, look, treated, () => bound);
      if (doubt !== undefined) floor = Math.min(floor ?? doubt, doubt);
    } else {
      const attempt = (family: Family, k: number): Solved => look(family.member(k, balanced), balanced);
      searchFamilies(frame, ways, balanced, attempt, () => bound);
    }
    if (perLayer) {
      const kept = look(ways[0]!.member(0, balanced), balanced, true);
      if (!fits(frame, kept.evaluation) && kept.evaluation.stepSeconds < bound) {
        placeLayers(
          frame,
          parallel,
          balanced,
          kept.evaluation,
          (placement) => look(placement, balanced, true).evaluation,
          moves ? { hostBandwidth } : {},
        );
        // Uneven ranks with mixed layers are not tried together.
        if (parallel.pipeline > 1) floor = Math.min(floor ?? bound, kept.evaluation.stepSeconds);
      }
    }
  }
  return {
    ...(best === undefined ? {} : { best }),
    ...(smallest === undefined ? {} : { smallest }),
    evaluated,
    ...(floor === undefined || floor >= bound ? {} : { floor }),
  };
}

/**
 * With the only split that there is. In each family memory falls and time grows with the member's number: the first that
 * fits is its fastest.
 */
function searchFamilies(
  frame: Frame,
  ways: readonly Family[],
  chunks: Chunks,
  attempt: (family: Family, k: number) => Solved,
  bound: () => Seconds,
): void {
  for (const family of ways) {
    const size = family.size(chunks);
    if (size === 0) continue;
    const first = attempt(family, 0).evaluation;
    if (fits(frame, first)) {
      // Nothing is faster than keeping everything.
      if (family.name === "none") return;
      continue;
    }
    if (family.name === "none") {
      if (first.stepSeconds >= bound()) return;
      // Nothing needs less memory than keeping only layers' inputs.
      const frugal = ways.at(-1)!;
      if (frugal.name === "full" && !fits(frame, attempt(frugal, 0).evaluation)) return;
    }
    if (size === 1 || !fits(frame, attempt(family, size - 1).evaluation)) continue;
    let low = 0;
    let high = size - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (fits(frame, attempt(family, middle).evaluation)) high = middle;
      else low = middle;
    }
  }
}

/**
 * Over all splits of the layers. In each family the first member that can be held is not always its fastest, since more
 * recomputation lets ranks be more even: members are tried until one would not be faster even without regard to memory.
 * Gives a step time below which it is not proven that there is nothing.
 */
function searchSplits(
  frame: Frame,
  parallel: ParallelPlan,
  splitting: SplitModel,
  ways: readonly Family[],
  balanced: Chunks,
  look: (placement: Placement, chunks: Chunks) => Solved,
  treated: (placement: Placement) => Placement,
  bound: () => Seconds,
): Seconds | undefined {
  const { stack } = frame.context.policy;
  const layers = stack.length - 2;
  const everything = treated(full(frame.context.policy));
  const room = Math.min(frame.capacity, splitting.roomBytes);
  let floor: Seconds | undefined;
  let found = false;
  const kept = treated(none(frame.context.policy));
  const treatmentOf = (family: Family, k: number): Treatment => {
    const first = family.first?.(k);
    return first === undefined
      ? { stack, layers: treated(family.member(k, balanced)) }
      : { stack, layers: kept, first: { count: first, layers: everything } };
  };
  for (const family of ways) {
    // Blocks of recomputed layers may be as long as the longest chunk of any split.
    const size = family.first === undefined ? family.size(balanced) : layers - parallel.pipeline * parallel.virtual;
    const known = new Map<number, Ranks>();
    const ranksOf = (k: number): Ranks => {
      const ranks = known.get(k) ?? new Ranks(splitting, parallel, treatmentOf(family, k));
      known.set(k, ranks);
      return ranks;
    };
    const held = (k: number): boolean => canHold(ranksOf(k), room, bound());
    for (let k = firstHeld(size, held); k < size; k++) {
      const result = bestSplit(ranksOf(k), room, bound());
      if (result.chunks !== undefined) {
        found = true;
        look(family.member(k, result.chunks), result.chunks);
      }
      if (result.floor !== undefined) {
        look(family.member(k, balanced), balanced);
        if (result.floor < bound() * (1 - 1e-9)) floor = Math.min(floor ?? result.floor, result.floor);
      }
      if (size === 1) break;
      const freely = bestSplit(ranksOf(k), Number.POSITIVE_INFINITY, bound());
      if (freely.chunks === undefined && freely.floor === undefined) break;
    }
  }
  if (!found) {
    const frugal = ways.at(-1)!;
    look(frugal.member(Math.max(0, frugal.size(balanced) - 1), balanced), balanced);
  }
  return floor;
}

/** The first number from which on it holds; `size`: none. */
function firstHeld(size: number, holds: (k: number) => boolean): number {
  if (size <= 1) return 0;
  let low = -1;
  let high = size;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (holds(middle)) high = middle;
    else low = middle;
  }
  return high;
}

/** Splits do not depend on sharding: many layouts of one configuration share them. */
const splits = new WeakMap<Frame, Map<string, Chunks>>();

/** Balanced by the time of each layer kind, embedding and head counted. */
export function chunksFor(frame: Frame, parallel: ParallelPlan): Chunks {
  const { context, model } = frame;
  const { stack } = context.policy;
  const known = splits.get(frame) ?? new Map<string, Chunks>();
  splits.set(frame, known);
  const key = `${parallel.tensor} ${parallel.context} ${parallel.expert} ${parallel.micro_batch} ${parallel.pipeline} ${parallel.virtual} ${parallel.schedule}`;
  const split = known.get(key);
  if (split !== undefined) return split;
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
  const chunks = splitStack({
    seconds,
    pipeline: parallel.pipeline,
    virtual: parallel.virtual,
    schedule: parallel.schedule,
    even: !context.engine.can.unevenPipeline,
  });
  known.set(key, chunks);
  return chunks;
}
