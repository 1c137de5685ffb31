import type { ScheduleKind } from "../../checker/pipeline.js";

/** What a schedule needs and does, so that nobody asks for one by name. */
export interface ScheduleTraits {
  readonly kind: ScheduleKind;
  /** Chunks per rank that it can run. */
  readonly virtual: { readonly min: number; readonly max: number };
  /** Splits the backward in input and weight gradients. */
  readonly splitsBackward: boolean;
  /** Rank of a chunk. */
  readonly rankOf: (chunk: number, ranks: number) => number;
  /** Most (micro-batch, chunk) pairs held at once on a rank. */
  readonly inFlight: (rank: number, ranks: number, virtual: number, microBatches: number) => number;
  /** Why it cannot run so many micro-batches; undefined: it can. */
  readonly objection: (ranks: number, virtual: number, microBatches: number) => string | undefined;
}

const roundRobin = (chunk: number, ranks: number): number => chunk % ranks;
const never = (): undefined => undefined;
const any = Number.POSITIVE_INFINITY;

const table: Readonly<Record<ScheduleKind, ScheduleTraits>> = {
  /** Huang et al. 2019: all forwards, then all backwards. */
  gpipe: {
    kind: "gpipe",
    virtual: { min: 1, max: 1 },
    splitsBackward: false,
    rankOf: roundRobin,
    inFlight: (_rank, _ranks, virtual, m) => m * virtual,
    objection: never,
  },
  /** Narayanan et al. 2021, PipeDream-flush: at most as many in flight as ranks behind. */
  "1f1b": {
    kind: "1f1b",
    virtual: { min: 1, max: 1 },
    splitsBackward: false,
    rankOf: roundRobin,
    inFlight: (rank, ranks, _virtual, m) => Math.min(m, ranks - rank),
    objection: never,
  },
  /** Narayanan et al. 2021: several chunks a rank, micro-batches in groups as large as the pipeline. */
  interleaved: {
    kind: "interleaved",
    virtual: { min: 2, max: any },
    splitsBackward: false,
    rankOf: roundRobin,
    inFlight: (rank, ranks, virtual, m) => Math.min(m * virtual, 2 * (ranks - rank - 1) + (virtual - 1) * ranks + 1),
    objection: (ranks, _virtual, m) =>
      m % ranks === 0 ? undefined : `interleaving needs a multiple of ${ranks} micro-batches, not ${m}`,
  },
  /** Qi et al. 2024, ZB-H1: weight gradients fill the bubbles; memory as 1F1B's first rank on every rank. */
  zero_bubble: {
    kind: "zero_bubble",
    virtual: { min: 1, max: 1 },
    splitsBackward: true,
    rankOf: roundRobin,
    inFlight: (_rank, ranks, _virtual, m) => Math.min(m, ranks),
    objection: never,
  },
  /** DualPipeV (DeepSeek-AI 2025): each rank has a chunk from the front and one from the back, fed in a V. */
  dualpipe: {
    kind: "dualpipe",
    virtual: { min: 2, max: 2 },
    splitsBackward: true,
    rankOf: (chunk, ranks) => (chunk < ranks ? chunk : 2 * ranks - 1 - chunk),
    inFlight: (_rank, ranks, _virtual, m) => Math.min(2 * m, 2 * ranks + 1),
    objection: (ranks, _virtual, m) =>
      m >= 2 * ranks ? undefined : `DualPipe needs at least ${2 * ranks} micro-batches, not ${m}`,
  },
};

export const scheduleTraits = (kind: ScheduleKind): ScheduleTraits => table[kind];
export const scheduleKinds = Object.keys(table) as ScheduleKind[];
