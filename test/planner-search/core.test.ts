/** The planner's small parts against what anyone can see is right; each case was needed to kill a mutant (docs/TRUST.md). */
import { expect, it } from "vitest";
import { calendar, costFacts, type RunConditions, saveSeconds } from "../../src/planner/cost/index.js";
import { evenChunks, toChunks } from "../../src/planner/layout/chunks.js";
import { splitStack } from "../../src/planner/layout/index.js";
import { type LayerGroup, type LayerOption, placeRecompute } from "../../src/planner/recompute/index.js";
import { scheduleTraits } from "../../src/planner/schedule/index.js";
import { affordable, combine, pick } from "../../src/planner/search/budget.js";
import { front } from "../../src/planner/search/front.js";
import { Heap } from "../../src/planner/search/heap.js";
import { unknownMoney } from "../../src/planner/search/terms.js";
import { random } from "./enumerate.js";

it("a heap gives the smallest key first, and of equal keys the first that came", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const next = random(seed);
    const heap = new Heap<{ key: number; n: number }>();
    expect(heap.pop()).toBeUndefined();
    const waiting: { key: number; n: number }[] = [];
    for (let n = 0; n < 60; n++) {
      if (next() < 0.65) {
        const item = { key: Math.floor(next() * 12), n };
        heap.push(item);
        waiting.push(item);
      } else {
        waiting.sort((a, b) => a.key - b.key || a.n - b.n);
        expect(heap.pop()).toBe(waiting.shift());
      }
    }
    waiting.sort((a, b) => a.key - b.key || a.n - b.n);
    for (const item of waiting) expect(heap.pop()).toBe(item);
    expect(heap.pop()).toBeUndefined();
  }
});

it("a front holds every point that none beats, fastest first, and of equal ones the first", () => {
  for (let seed = 1; seed <= 100; seed++) {
    const next = random(seed);
    const points = Array.from({ length: 12 }, (_, n) => ({
      seconds: Math.floor(next() * 6),
      money: Math.floor(next() * 6),
      n,
    }));
    const beaten = (p: (typeof points)[number]): boolean =>
      points.some(
        (q) =>
          q.seconds <= p.seconds && q.money <= p.money && (q.seconds < p.seconds || q.money < p.money || q.n < p.n),
      );
    const expected = points.filter((p) => !beaten(p)).sort((a, b) => a.seconds - b.seconds);
    expect(front(points)).toEqual(expected);
  }
});

const budget = (minimize: "time" | "cost", limits: { time?: number; cost?: number } = {}) =>
  ({
    minimize: { value: minimize, from: "file" },
    ...(limits.time === undefined ? {} : { time: { value: limits.time, from: "file" } }),
    ...(limits.cost === undefined ? {} : { cost: { value: limits.cost, from: "file" } }),
  }) as never;

it("stages share a budget: the best of all pairs, or what misses it least", () => {
  const stages = [
    [
      { seconds: 1, money: 9 },
      { seconds: 4, money: 2 },
    ],
    [
      { seconds: 2, money: 8 },
      { seconds: 3, money: 1 },
    ],
  ] as never[];
  const all = combine(stages);
  expect(all.map((c) => [c.seconds, c.money, c.choices.length])).toEqual([
    [3, 17, 2],
    [4, 10, 2],
    [7, 3, 2],
  ]);
  const picked = (b: never) => {
    const { combination, within } = pick(all, b);
    return [combination.seconds, within];
  };
  expect(picked(budget("time"))).toEqual([3, true]);
  expect(picked(budget("cost"))).toEqual([7, true]);
  // What is exactly at a limit is within it.
  expect(picked(budget("time", { cost: 10 }))).toEqual([4, true]);
  expect(picked(budget("cost", { time: 4 }))).toEqual([4, true]);
  expect(picked(budget("time", { cost: 2 }))).toEqual([7, false]);
  expect(picked(budget("cost", { time: 2 }))).toEqual([3, false]);
  // 4 s of 2 and $10 of 9: the time is missed by most; 3 s and $17 miss by less than 7 s.
  expect(picked(budget("cost", { time: 2, cost: 9 }))).toEqual([3, false]);
  expect(affordable({ money: 1 }, undefined)).toBe(true);
  expect(affordable({ money: unknownMoney }, 1e300)).toBe(false);
});

it("every chunk follows the one before, the embedding in the first and the head in the last", () => {
  for (const schedule of ["1f1b", "interleaved", "dualpipe", "gpipe", "zero_bubble"] as const) {
    const pipeline = 3;
    const virtual = scheduleTraits(schedule).virtual.min;
    const sizes = Array.from({ length: pipeline * virtual }, (_, i) => 1 + (i % 2));
    const layers = sizes.reduce((a, b) => a + b, 0);
    const chunks = toChunks(sizes, pipeline, schedule);
    expect(chunks[0]!.first).toBe(0);
    expect(chunks.at(-1)!.last).toBe(layers + 1);
    for (const [i, c] of chunks.entries()) {
      if (i > 0) expect(c.first).toBe(chunks[i - 1]!.last + 1);
      expect(c.rank).toBe(scheduleTraits(schedule).rankOf(i, pipeline));
    }
    for (const n of [0, 1, 5, 7, 12]) {
      const even = evenChunks(n, { pipeline, virtual, schedule });
      const counts = even.map((c) => Math.min(c.last, n) - Math.max(c.first, 1) + 1);
      expect(counts.reduce((a, b) => a + b, 0)).toBe(n);
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    }
  }
});

it("one device has it all; an engine that splits evenly gets equal parts", () => {
  const seconds = [9, 1, 1, 1, 1, 9];
  const one = splitStack({ seconds, pipeline: 1, virtual: 1, schedule: "1f1b", even: false });
  expect(one).toEqual([{ rank: 0, first: 0, last: 5 }]);
  const even = splitStack({ seconds, pipeline: 2, virtual: 1, schedule: "1f1b", even: true });
  expect(even).toEqual([
    { rank: 0, first: 0, last: 2 },
    { rank: 1, first: 3, last: 5 },
  ]);
});

it("ties give the later ranks more layers", () => {
  const seconds = [0, 1, 1, 1, 1, 1, 0];
  const chunks = splitStack({ seconds, pipeline: 2, virtual: 1, schedule: "1f1b", even: false });
  expect(chunks.map((c) => c.last - c.first)).toEqual([2, 3]);
});

it("interleaved: no other numbers of equal layers on the ranks make the slowest faster", () => {
  for (const schedule of ["interleaved", "dualpipe"] as const)
    for (let seed = 1; seed <= 40; seed++) {
      const next = random(seed);
      const pipeline = 2 + Math.floor(next() * 3);
      const virtual = 2;
      const layers = pipeline * virtual + Math.floor(next() * 9);
      const embedding = 3 * next();
      const head = 3 * next();
      const seconds = [embedding, ...new Array<number>(layers).fill(1), head];
      const { rankOf } = scheduleTraits(schedule);
      const chunks = splitStack({ seconds, pipeline, virtual, schedule, even: false });
      const load = new Array<number>(pipeline).fill(0);
      const count = new Array<number>(pipeline).fill(0);
      for (const c of chunks)
        for (let i = c.first; i <= c.last; i++) {
          load[c.rank]! += seconds[i]!;
          if (i > 0 && i <= layers) count[c.rank]!++;
        }
      expect(count.reduce((a, b) => a + b, 0)).toBe(layers);
      for (const c of chunks) expect(Math.min(c.last, layers) - Math.max(c.first, 1) + 1).toBeGreaterThanOrEqual(1);
      // Of one rank's chunks the later ones take what does not divide.
      for (let r = 0; r < pipeline; r++) {
        const sizes = chunks
          .filter((c) => c.rank === r)
          .map((c) => Math.min(c.last, layers) - Math.max(c.first, 1) + 1);
        for (let i = 1; i < sizes.length; i++) expect(sizes[i]! - sizes[i - 1]!).toBeOneOf([0, 1]);
      }
      const extra = new Array<number>(pipeline).fill(0);
      extra[rankOf(0, pipeline)]! += embedding;
      extra[rankOf(pipeline * virtual - 1, pipeline)]! += head;
      let best = Number.POSITIVE_INFINITY;
      const go = (r: number, left: number, slowest: number): void => {
        if (r === pipeline - 1) {
          if (left >= virtual) best = Math.min(best, Math.max(slowest, left + extra[r]!));
          return;
        }
        for (let n = virtual; n <= left; n++) go(r + 1, left - n, Math.max(slowest, n + extra[r]!));
      };
      go(0, layers, 0);
      expect(Math.max(...load), `${schedule} ${seed}`).toBeCloseTo(best, 9);
    }
});

const option = (bytes: number, seconds: number, transient = 0): LayerOption =>
  ({ mode: "none", ops: [], bytes, seconds, transient }) as unknown as LayerOption;

it("placement says what it takes: bytes in flight and the largest transient, once", () => {
  const groups: LayerGroup[] = [
    { count: 2, inFlight: 3, options: [option(10, 0), option(4, 5, 7), option(1, 9, 7)] },
    { count: 1, inFlight: 1, options: [option(6, 0), option(0, 2, 5)] },
  ];
  expect(placeRecompute(groups, 66)).toEqual({
    counts: [
      [2, 0, 0],
      [1, 0],
    ],
    seconds: 0,
    bytes: 66,
  });
  // 65: the cheapest second is the single layer's.
  expect(placeRecompute(groups, 65)).toEqual({
    counts: [
      [2, 0, 0],
      [0, 1],
    ],
    seconds: 2,
    bytes: 65,
  });
  expect(placeRecompute(groups, 64)).toMatchObject({ seconds: 5, bytes: 30 + 12 + 6 + 7 });
  expect(placeRecompute(groups, 13)).toEqual({
    counts: [
      [0, 0, 2],
      [0, 1],
    ],
    seconds: 20,
    bytes: 13,
  });
  expect(placeRecompute(groups, 12)).toBeUndefined();
});

it("placement is exact where the room is used up to the last byte", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const next = random(seed);
    const groups: LayerGroup[] = Array.from({ length: 1 + Math.floor(next() * 2) }, () => ({
      count: 1 + Math.floor(next() * 2),
      inFlight: 1 + Math.floor(next() * 3),
      options: Array.from({ length: 3 }, (_, i) =>
        option(
          12 - 4 * i - Math.floor(next() * 3),
          i * 3 + Math.floor(next() * 3),
          i === 0 ? 0 : Math.floor(next() * 6),
        ),
      ),
    }));
    const all: { bytes: number; seconds: number }[] = [];
    const layers = groups.flatMap((g) => new Array<LayerGroup>(g.count).fill(g));
    const go = (i: number, bytes: number, transient: number, seconds: number): void => {
      const g = layers[i];
      if (g === undefined) all.push({ bytes: bytes + transient, seconds });
      else
        for (const o of g.options)
          go(i + 1, bytes + o.bytes * g.inFlight, Math.max(transient, o.transient), seconds + o.seconds);
    };
    go(0, 0, 0, 0);
    for (const { bytes: capacity } of all) {
      const best = Math.min(...all.filter((p) => p.bytes <= capacity).map((p) => p.seconds));
      expect(placeRecompute(groups, capacity)?.seconds, `seed ${seed}, ${capacity} bytes`).toBe(best);
    }
  }
});

const conditions: RunConditions = {
  devices: 64,
  machines: 8,
  spot: false,
  interruptionsPerHour: 0,
  checkpointBytes: 1e12,
  local: false,
};

it("calendar time by hand: saves, stops, warm-up", () => {
  const work = 100_000;
  const run = calendar(work, { ...conditions, saveEvery: 1000 });
  const save = 5 + 1e12 / (8 * costFacts.saveBytesPerSecond.value);
  expect(saveSeconds(conditions)).toBe(save);
  const perSecond = 64 / costFacts.deviceHoursPerFailure.value / 3600;
  const running = work + 100 * save;
  const total = running / (1 - perSecond * (costFacts.restartSeconds.value + 500));
  expect(run.saves).toBeCloseTo(100 * save, 6);
  expect(run.mtbfSeconds).toBeCloseTo(1 / perSecond, 3);
  expect(run.totalSeconds).toBeCloseTo(total + costFacts.warmupSeconds.value, 6);
  expect(run.lost).toBeCloseTo(total - running, 6);
  expect(run.stops).toBeCloseTo(total * perSecond, 9);
  expect(run.goodput).toBeCloseTo(work / run.totalSeconds, 12);
  // Never saved: half of the work is lost at each stop, and no save is paid.
  const never = calendar(work, { ...conditions, saveEvery: Number.POSITIVE_INFINITY });
  expect(never.saves).toBe(0);
  expect(never.totalSeconds).toBeCloseTo(
    work / (1 - perSecond * (costFacts.restartSeconds.value + work / 2)) + costFacts.warmupSeconds.value,
    3,
  );
});

it("a job that is stopped before it is mended takes fifty times its time, not forever", () => {
  const run = calendar(1e6, { ...conditions, devices: 5e7, machines: 1000, saveEvery: 3600 });
  expect(run.totalSeconds - run.warmup).toBeCloseTo((1e6 + run.saves) / 0.02, 0);
  expect(run.warmup).toBe(costFacts.warmupSeconds.value);
});

it("spot: interruptions of every machine count beside failures", () => {
  const spot = { ...conditions, spot: true, interruptionsPerHour: 0.05, saveEvery: 600 };
  const perSecond = 64 / costFacts.deviceHoursPerFailure.value / 3600 + (8 * 0.05) / 3600;
  expect(calendar(1e5, spot).mtbfSeconds).toBeCloseTo(1 / perSecond, 6);
});
