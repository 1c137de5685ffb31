/** One contract for all schedules: dependencies, one task at a time, memory as stated, never faster than the work. */
import { describe, expect, it } from "vitest";
import { type ScheduleInput, scheduleKinds, scheduleTraits, simulate } from "../../src/planner/schedule/index.js";
import { jobOfDegrees } from "../../src/planner/time/job-of-candidate.js";
import { bubbleSeconds } from "../../src/planner/time/step.js";
import { contextOf, parallel, program } from "../planner-physics/context.js";

const inputs = (kind: (typeof scheduleKinds)[number]): ScheduleInput[] => {
  const traits = scheduleTraits(kind);
  return [2, 3, 4, 8].flatMap((ranks) =>
    [traits.virtual.min, Math.min(traits.virtual.max, 3)].flatMap((virtual) =>
      [1, ranks, 2 * ranks, 4 * ranks]
        .filter((m) => traits.objection(ranks, virtual, m) === undefined)
        .flatMap((microBatches) =>
          [0, 0.7].map((uneven) => {
            const chunks = ranks * virtual;
            const forward = Array.from({ length: chunks }, (_, c) => 1 + (c === chunks - 1 ? uneven : 0));
            return {
              kind,
              ranks,
              virtual,
              microBatches,
              forward,
              backward: forward.map((f) => 2 * f),
              transfer: uneven / 10,
            };
          }),
        ),
    ),
  );
};

describe.each(scheduleKinds)("%s", (kind) => {
  const traits = scheduleTraits(kind);
  it.each(inputs(kind).map((i) => [`${i.ranks}×${i.virtual}, ${i.microBatches} micro-batches`, i] as const))(
    "%s",
    (_, input) => {
      const { tasks, makespan, inFlight, bubble } = simulate(input);
      const chunks = input.ranks * input.virtual;
      const perPair = traits.splitsBackward ? 3 : 2;
      expect(tasks).toHaveLength(chunks * input.microBatches * perPair);
      const end = new Map(tasks.map((t) => [`${t.kind} ${t.chunk} ${t.micro_batch}`, t]));
      const follows = (a: string, b: string): void => {
        expect(end.get(b)!.start + 1e-9, `${b} after ${a}`).toBeGreaterThanOrEqual(end.get(a)!.end);
      };
      for (let m = 0; m < input.microBatches; m++) {
        for (let c = 0; c < chunks; c++) {
          if (c > 0) follows(`forward ${c - 1} ${m}`, `forward ${c} ${m}`);
          if (c < chunks - 1) follows(`backward ${c + 1} ${m}`, `backward ${c} ${m}`);
          follows(`forward ${c} ${m}`, `backward ${c} ${m}`);
          if (traits.splitsBackward) follows(`backward ${c} ${m}`, `weight ${c} ${m}`);
        }
      }
      for (let rank = 0; rank < input.ranks; rank++) {
        const own = tasks.filter((t) => t.rank === rank).sort((a, b) => a.start - b.start);
        for (let i = 1; i < own.length; i++) expect(own[i]!.start + 1e-9).toBeGreaterThanOrEqual(own[i - 1]!.end);
        const work = own.reduce((s, t) => s + t.end - t.start, 0);
        expect(makespan + 1e-9).toBeGreaterThanOrEqual(work);
        expect(inFlight[rank]!).toBeLessThanOrEqual(
          traits.inFlight(rank, input.ranks, input.virtual, input.microBatches),
        );
      }
      expect(bubble).toBeGreaterThanOrEqual(-1e-9);
    },
  );
});

const even = (kind: (typeof scheduleKinds)[number], ranks: number, virtual: number, microBatches: number): number => {
  const forward = new Array<number>(ranks * virtual).fill(1 / virtual);
  return simulate({ kind, ranks, virtual, microBatches, forward, backward: forward.map((f) => 2 * f), transfer: 0 })
    .makespan;
};

it("bubbles are the papers'", () => {
  // Narayanan et al. 2021: (p − 1)(tf + tb) over m(tf + tb), divided by v when interleaved.
  expect(even("gpipe", 4, 1, 8)).toBeCloseTo(3 * (8 + 3), 9);
  expect(even("1f1b", 4, 1, 8)).toBeCloseTo(3 * (8 + 3), 9);
  expect(even("interleaved", 4, 2, 8)).toBeCloseTo(3 * (8 + 3 / 2), 9);
  // Qi et al. 2024, ZB-H1: a third of 1F1B's bubble where forward, input and weight gradients take the same time.
  expect(even("zero_bubble", 4, 1, 12)).toBeLessThanOrEqual(3 * 12 + 3 * 1 + 1e-9);
});

describe("the closed form of the bubble is what the schedule plays out to", () => {
  const context = contextOf(program("llama3 llama3_8b", "engine = torchtitan"));
  /** Without transfers. Forward takes 1, the weight gradient 1, the input gradient 1, recomputation `again`. */
  const closed = (
    schedule: (typeof scheduleKinds)[number],
    pipeline: number,
    virtual: number,
    again: number,
  ): number => {
    const job = jobOfDegrees(context, parallel({ pipeline, accumulation: 4 * pipeline }), 4096);
    const way = { schedule, virtual };
    return bubbleSeconds(job, pipeline * (3 + again), pipeline * again, way) - bubbleSeconds(job, 0, 0, way);
  };
  const played = (kind: (typeof scheduleKinds)[number], ranks: number, virtual: number, again: number): number => {
    const forward = new Array<number>(ranks * virtual).fill(1 / virtual);
    const backward = forward.map((f) => (2 + again) * f);
    const input = { kind, ranks, virtual, microBatches: 4 * ranks, forward, backward, weight: forward, transfer: 0 };
    return simulate(input).makespan - 4 * ranks * (3 + again);
  };
  it.each([
    ["gpipe", 1],
    ["1f1b", 1],
    ["interleaved", 2],
    ["interleaved", 3],
    ["interleaved", 5],
    ["zero_bubble", 1],
  ] as const)("%s × %i", (kind, virtual) => {
    for (const ranks of [2, 4, 8])
      for (const again of [0, 1])
        expect(closed(kind, ranks, virtual, again)).toBeCloseTo(played(kind, ranks, virtual, again), 6);
  });
  it("DualPipeV: that of its authors' table", () => {
    // (PP/2 − 1)(F&B + B − 3W) over PP = 2p stages, F&B taken as F + B; github.com/deepseek-ai/DualPipe.
    for (const p of [2, 4, 8])
      for (const again of [0, 1]) {
        const [f, b, w] = [0.5, (2 + again) / 2, 0.5];
        expect(closed("dualpipe", p, 2, again)).toBeCloseTo((p - 1) * (f + b + b - 3 * w), 9);
      }
  });
  it("filling an interleaved pipeline passes every rank once a chunk", () => {
    const [ranks, virtual] = [4, 3];
    const forward = new Array<number>(ranks * virtual).fill(1);
    const of = (transfer: number): number =>
      simulate({
        kind: "interleaved",
        ranks,
        virtual,
        microBatches: 16,
        forward,
        backward: forward.map(() => 2),
        transfer,
      }).makespan;
    const transfers = (of(0.01) - of(0)) / 0.01;
    expect(transfers).toBeGreaterThanOrEqual(2 * (ranks - 1) * virtual - 1e-6);
    expect(transfers).toBeLessThan(2 * (ranks - 1) * virtual * 1.5);
  });
});
