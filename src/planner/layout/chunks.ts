import type { ScheduleKind } from "../../checker/pipeline.js";
import type { ParallelPlan } from "../plan.js";
import { scheduleTraits } from "../schedule/index.js";
import type { Candidate } from "../types.js";

export type Chunks = Candidate["chunks"];

export interface SplitInput {
  /** Seconds of each entry of the stack (embedding, layers, head) for one micro-batch. */
  readonly seconds: readonly number[];
  readonly pipeline: number;
  readonly virtual: number;
  readonly schedule: ScheduleKind;
  /** Only the same number of layers everywhere (engines without uneven pipelines). */
  readonly even: boolean;
}

/**
 * Splits the stack into chunks so that the slowest rank is as fast as can be, embedding and head counted. Ties give the
 * later ranks more, since earlier ones hold more micro-batches. A first guess where memory is short, and where layers differ.
 */
export function splitStack(input: SplitInput): Chunks {
  const { seconds, pipeline, virtual, schedule, even } = input;
  const layers = seconds.length - 2;
  const total = pipeline * virtual;
  if (total === 1) return [{ rank: 0, first: 0, last: layers + 1 }];
  const sizes = even
    ? Array.from({ length: total }, () => layers / total)
    : virtual === 1
      ? balanceContiguous(seconds, pipeline)
      : balanceInterleaved(seconds, pipeline, virtual, schedule);
  return toChunks(sizes, pipeline, schedule);
}

/** Layers per chunk → stack ranges; the embedding joins the first chunk, the head the last. */
export function toChunks(sizes: readonly number[], pipeline: number, schedule: ScheduleKind): Chunks {
  const { rankOf } = scheduleTraits(schedule);
  let next = 1;
  return sizes.map((size, c) => {
    const first = c === 0 ? 0 : next;
    next += size;
    return { rank: rankOf(c, pipeline), first, last: c === sizes.length - 1 ? next : next - 1 };
  });
}

/** So many layers in parts that differ by one at most; of fewer layers than parts some are empty. */
export function evenChunks(
  layers: number,
  { pipeline, virtual, schedule }: Pick<ParallelPlan, "pipeline" | "virtual" | "schedule">,
): Chunks {
  const parts = pipeline * virtual;
  const ends = Array.from({ length: parts + 1 }, (_, i) => Math.floor((layers * i) / parts));
  const sizes = ends.slice(1).map((end, i) => end - ends[i]!);
  return toChunks(sizes, pipeline, schedule);
}

/** Fewest seconds that the slowest part needs when `parts` contiguous parts, each with at least one layer, cover the stack. */
function balanceContiguous(seconds: readonly number[], parts: number): number[] {
  const layers = seconds.length - 2;
  const head = seconds[layers + 1]!;
  const embedding = seconds[0]!;
  /** From the right: each part takes all it can, leaving one layer for each part before it. */
  const fill = (limit: number): number[] | undefined => {
    const sizes = new Array<number>(parts).fill(0);
    let layer = layers;
    for (let part = parts - 1; part >= 0; part--) {
      let sum = (part === parts - 1 ? head : 0) + (part === 0 ? embedding : 0);
      let size = 0;
      while (layer > part && (part === 0 || sum + seconds[layer]! <= limit || size === 0)) {
        sum += seconds[layer]!;
        layer--;
        size++;
      }
      if (sum > limit * (1 + 1e-12)) return undefined;
      sizes[part] = size;
    }
    return layer === 0 ? sizes : undefined;
  };
  let low = 0;
  let high = seconds.reduce((a, b) => a + b, 0);
  let best = fill(high)!;
  for (let i = 0; i < 60 && high - low > high * 1e-9; i++) {
    const middle = (low + high) / 2;
    const sizes = fill(middle);
    if (sizes === undefined) low = middle;
    else {
      best = sizes;
      high = middle;
    }
  }
  return best;
}

/** Layers of each rank so that the slowest rank is fastest, then spread over its chunks, later chunks first. */
function balanceInterleaved(
  seconds: readonly number[],
  pipeline: number,
  virtual: number,
  schedule: ScheduleKind,
): number[] {
  const { rankOf } = scheduleTraits(schedule);
  const layers = seconds.length - 2;
  const mean = seconds.slice(1, -1).reduce((a, b) => a + b, 0) / layers;
  const load = new Array<number>(pipeline).fill(0);
  load[rankOf(0, pipeline)]! += seconds[0]!;
  load[rankOf(pipeline * virtual - 1, pipeline)]! += seconds[layers + 1]!;
  const count = new Array<number>(pipeline).fill(virtual);
  for (let r = 0; r < pipeline; r++) load[r]! += virtual * mean;
  for (let left = layers - pipeline * virtual; left > 0; left--) {
    let least = pipeline - 1;
    for (let r = pipeline - 2; r >= 0; r--) if (load[r]! < load[least]! - 1e-15) least = r;
    load[least]! += mean;
    count[least]!++;
  }
  return spread(count, virtual, schedule);
}

/** Layers of each rank → layers of each chunk: as even as can be, the later ones larger. Uneven chunks of a rank would stall its neighbours. */
export function spread(counts: readonly number[], virtual: number, schedule: ScheduleKind): number[] {
  const pipeline = counts.length;
  const { rankOf } = scheduleTraits(schedule);
  const seen = new Array<number>(pipeline).fill(0);
  return Array.from({ length: pipeline * virtual }, (_, c) => {
    const rank = rankOf(c, pipeline);
    const i = seen[rank]!;
    seen[rank] = i + 1;
    return chunkSize(counts[rank]!, virtual, i);
  });
}

/** Layers of a rank's i-th chunk. */
export const chunkSize = (layers: number, virtual: number, i: number): number =>
  Math.floor(layers / virtual) + (i >= virtual - (layers % virtual) ? 1 : 0);
