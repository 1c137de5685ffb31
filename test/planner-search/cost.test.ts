import { expect, it } from "vitest";
import {
  bestSaveInterval,
  calendar,
  costFacts,
  paidSeconds,
  type RunConditions,
  saveSeconds,
} from "../../src/planner/cost/index.js";

const base: RunConditions = {
  devices: 16_384,
  machines: 2048,
  spot: false,
  interruptionsPerHour: 0,
  checkpointBytes: 405e9 * 14,
  local: false,
};
const day = 86_400;

it("Llama 3's cluster: about 7.8 failures a day, above 90% effective time", () => {
  const run = calendar(54 * day, base);
  expect(run.stops / (run.totalSeconds / day)).toBeCloseTo(419 / 54, 2);
  expect(run.goodput).toBeGreaterThan(0.88);
  expect(run.goodput).toBeLessThan(0.97);
});

it("no fixed interval between saves beats Young's", () => {
  const best = calendar(54 * day, base);
  expect(best.saveEvery).toBeCloseTo(bestSaveInterval(saveSeconds(base), best.mtbfSeconds), 6);
  for (const factor of [0.25, 0.5, 2, 4])
    expect(calendar(54 * day, { ...base, saveEvery: best.saveEvery * factor }).totalSeconds).toBeGreaterThan(
      best.totalSeconds,
    );
});

it("more machines fail more; spot more still", () => {
  const one = calendar(10 * day, { ...base, devices: 8, machines: 1 });
  const many = calendar(10 * day, base);
  const spot = calendar(10 * day, {
    ...base,
    spot: true,
    interruptionsPerHour: costFacts.spotInterruptionsPerHour.value,
  });
  expect(one.totalSeconds).toBeLessThan(many.totalSeconds);
  expect(many.totalSeconds).toBeLessThan(spot.totalSeconds);
  expect(one.goodput).toBeGreaterThan(0.97);
});

it("capacity blocks are paid by the day, long ones by the week", () => {
  expect(paidSeconds(1.2 * day, "capacity_block")).toBe(2 * day);
  expect(paidSeconds(15 * day, "capacity_block")).toBe(21 * day);
  expect(paidSeconds(1.2 * day, "on_demand")).toBe(1.2 * day);
});

it("nothing is waited for on this machine", () => {
  const run = calendar(100, { ...base, local: true });
  expect(run).toMatchObject({ totalSeconds: 100, goodput: 1, stops: 0 });
});
