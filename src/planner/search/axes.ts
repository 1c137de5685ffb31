/** What each value of an axis came to, for the explanations. */
import type { Bytes, Seconds } from "../../units/index.js";
import type { ParallelPlan } from "../plan.js";
import type { LayoutGroup } from "../types.js";

/** Of all layouts with one value of one axis. */
export interface AxisRecord {
  readonly axis: string;
  readonly value: string;
  fastest: Seconds;
  /** Of what cannot fit: the least that its peak can be. */
  smallestMisfit: Bytes;
  /** Smallest lower bound among layouts skipped for being slower. */
  bound: Seconds;
}

const ofDegrees = ["tensor", "pipeline", "context", "expert", "micro_batch"] as const;
const ofMembers = ["shard", "schedule", "virtual"] as const;

export class Axes {
  private readonly records = new Map<string, Map<number | string, AxisRecord>>();
  private readonly lists = new Map<
    LayoutGroup["shards"] | LayoutGroup["schedules"],
    { bound: Seconds; smallestMisfit: Bytes }
  >();

  all(): AxisRecord[] {
    this.settle();
    return [...this.records.values()].flatMap((values) => [...values.values()]);
  }

  fast(p: ParallelPlan, step: Seconds): void {
    for (const axis of ofDegrees) lower(this.record(axis, p[axis]), "fastest", step);
    for (const axis of ofMembers) lower(this.record(axis, p[axis]), "fastest", step);
  }

  misfit(p: ParallelPlan, peak: Bytes): void {
    for (const axis of ofDegrees) lower(this.record(axis, p[axis]), "smallestMisfit", peak);
    for (const axis of ofMembers) lower(this.record(axis, p[axis]), "smallestMisfit", peak);
  }

  /** A whole group skipped by one bound. Many groups share their lists: those are gone through once, at the end. */
  group({ parallel, shards, schedules }: LayoutGroup, what: "bound" | "smallestMisfit", value: number): void {
    for (const axis of ofDegrees) lower(this.record(axis, parallel[axis]), what, value);
    for (const list of [shards, schedules]) {
      let least = this.lists.get(list);
      if (least === undefined) {
        least = { bound: Number.POSITIVE_INFINITY, smallestMisfit: Number.POSITIVE_INFINITY };
        this.lists.set(list, least);
      }
      if (value < least[what]) least[what] = value;
    }
  }

  private settle(): void {
    for (const [list, least] of this.lists) {
      for (const entry of list) {
        for (const axis of ofMembers) {
          if (!(axis in entry)) continue;
          const record = this.record(axis, (entry as Pick<ParallelPlan, (typeof ofMembers)[number]>)[axis]);
          for (const what of ["bound", "smallestMisfit"] as const) lower(record, what, least[what]);
        }
      }
    }
    this.lists.clear();
  }

  private record(axis: string, value: number | string): AxisRecord {
    let values = this.records.get(axis);
    if (values === undefined) {
      values = new Map();
      this.records.set(axis, values);
    }
    let record = values.get(value);
    if (record === undefined) {
      const never = Number.POSITIVE_INFINITY;
      record = { axis, value: String(value), fastest: never, smallestMisfit: never, bound: never };
      values.set(value, record);
    }
    return record;
  }
}

function lower(r: AxisRecord, what: "fastest" | "bound" | "smallestMisfit", value: number): void {
  if (value < r[what]) r[what] = value;
}
