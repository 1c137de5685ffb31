/** Given the degrees: the best split of layers over ranks and the least recomputation that fits. */
import type { Seconds } from "../../units/index.js";
import { type Chunks, splitStack, toChunks } from "../layout/chunks.js";
import type { ParallelPlan } from "../plan.js";
import { offloaded, type Placement } from "../recompute/modes.js";
import { hostBandwidth } from "../recompute/options.js";
import { type Family, families } from "../recompute/ways.js";
import type { Candidate, Evaluation } from "../types.js";
import { type Frame, fits, roomOf } from "./frame.js";
import { placeLayers } from "./placement.js";
import { allowed } from "./space.js";

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
  const balanced = chunksFor(frame, parallel);
  const canShift = context.engine.can.unevenPipeline && parallel.pipeline > 1;
  let evaluated = 0;
  let best: Solved | undefined;
  let smallest: Solved | undefined;
  let bound = limit;
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
    /** With the balanced split, else with layers moved away from the ranks that are too full. */
    const attempt = (family: Family, k: number, shift = true): Attempt => {
      const first = look(family.member(k, balanced), balanced);
      if (fits(frame, first.evaluation)) return { solved: first, fits: true, shifted: false };
      if (!shift || !canShift || first.evaluation.stepSeconds >= bound)
        return { solved: first, fits: false, shifted: false };
      const moved = shiftLayers(
        frame,
        parallel,
        first,
        (chunks) => look(family.member(k, chunks), chunks),
        () => bound,
      );
      return moved === undefined
        ? { solved: first, fits: false, shifted: false }
        : { solved: moved, fits: true, shifted: true };
    };
    searchFamilies(ways, balanced, attempt, () => bound);
    if (wanted === undefined && context.engine.can.recompute.includes("perLayer")) {
      const kept = look(ways[0]!.member(0, balanced), balanced, true);
      if (!fits(frame, kept.evaluation) && kept.evaluation.stepSeconds < bound)
        placeLayers(
          frame,
          parallel,
          balanced,
          kept.evaluation,
          (placement) => look(placement, balanced, true).evaluation,
          moves ? { hostBandwidth } : {},
        );
    }
  }
  return {
    ...(best === undefined ? {} : { best }),
    ...(smallest === undefined ? {} : { smallest }),
    evaluated,
  };
}

interface Attempt {
  readonly solved: Solved;
  readonly fits: boolean;
  /** Only after layers were moved: slower than the balanced split. */
  readonly shifted: boolean;
}

/**
 * In each family memory falls and time grows with the member's number: the first that fits is its fastest. Where the first
 * fits only with an unbalanced split, members after it may still be faster, up to the first that fits balanced.
 */
function searchFamilies(
  ways: readonly Family[],
  chunks: Chunks,
  attempt: (family: Family, k: number, shift?: boolean) => Attempt,
  bound: () => Seconds,
): void {
  for (const family of ways) {
    const size = family.size(chunks);
    if (size === 0) continue;
    if (family.name === "none") {
      // Keeping everything on balanced ranks is fastest of all; nothing needs less memory than keeping only layers' inputs.
      const plain = attempt(family, 0, false);
      if (plain.fits || plain.solved.evaluation.stepSeconds >= bound()) return;
      const frugal = ways.at(-1)!;
      if (frugal.name === "full" && !attempt(frugal, 0).fits) return;
    }
    const first = attempt(family, 0);
    if (first.fits && !first.shifted) continue;
    if (size === 1) continue;
    let low = first.fits ? -1 : 0;
    if (!first.fits) {
      const last = attempt(family, size - 1);
      if (!last.fits) continue;
      let high = size - 1;
      while (high - low > 1) {
        const middle = (low + high) >> 1;
        if (attempt(family, middle).fits) high = middle;
        else low = middle;
      }
    }
    for (let k = low + 1; k < size; k++) {
      const here = attempt(family, k);
      if ((here.fits && !here.shifted) || here.solved.evaluation.stepSeconds >= bound()) break;
    }
  }
}

/**
 * Takes layers from ranks that do not fit and gives each to the rank that is least loaded among those with room. For equal
 * layers this is the split with the fastest slowest rank under the memory of each (water-filling from the balanced split).
 */
function shiftLayers(
  frame: Frame,
  parallel: ParallelPlan,
  start: Solved,
  look: (chunks: Chunks) => Solved,
  bound: () => Seconds,
): Solved | undefined {
  if (start.evaluation.ranks === undefined) return undefined;
  const layers = frame.context.policy.stack.length - 2;
  const sizes = start.candidate.chunks.map((c) => Math.min(c.last, layers) - Math.max(c.first, 1) + 1);
  const ranks = start.candidate.chunks.map((c) => c.rank);
  const over = (s: Solved, rank: number): boolean => s.evaluation.ranks![rank]!.peakBytes > roomOf(frame, s.evaluation);
  const full = new Set<number>();
  let now = start;
  const chunkOf = (rank: number, largest: boolean): number => {
    let pick = -1;
    for (const [c, r] of ranks.entries()) {
      if (r !== rank) continue;
      if (pick < 0 || (largest ? sizes[c]! >= sizes[pick]! : sizes[c]! <= sizes[pick]!)) pick = c;
    }
    return pick;
  };
  for (let moves = 0; moves < layers * parallel.pipeline; moves++) {
    const all = now.evaluation.ranks!;
    const giver = all.findIndex((_, rank) => over(now, rank));
    if (giver < 0) return fits(frame, now.evaluation) ? now : undefined;
    full.add(giver);
    const from = chunkOf(giver, true);
    if (sizes[from]! <= 1) return undefined;
    let taker = -1;
    for (const [rank, load] of all.entries()) {
      if (full.has(rank) || over(now, rank)) continue;
      if (taker < 0 || load.microBatchSeconds <= all[taker]!.microBatchSeconds) taker = rank;
    }
    if (taker < 0) return undefined;
    const to = chunkOf(taker, false);
    sizes[from]!--;
    sizes[to]!++;
    const next = look(toChunks(sizes, parallel.pipeline, parallel.schedule));
    if (over(next, taker)) {
      full.add(taker);
      sizes[from]!++;
      sizes[to]!--;
      continue;
    }
    now = next;
    if (now.evaluation.stepSeconds >= bound() && !fits(frame, now.evaluation)) return undefined;
  }
  return undefined;
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
