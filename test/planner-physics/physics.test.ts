import { describe, expect, it } from "vitest";
import { statedStacks } from "../../src/catalog/engines/index.js";
import { believed } from "../../src/planner/calibrate/calibrate.js";
import { type Run, validateRuns } from "../../src/planner/calibrate/index.js";
import { jobOf, prepare } from "../../src/planner/calibrate/job-of-run.js";
import { peakOf } from "../../src/planner/memory/plan.js";
import {
  allReduceSeconds,
  allToAllSeconds,
  contendedSeconds,
  gatherSeconds,
} from "../../src/planner/time/collectives.js";
import { ratesOf } from "../../src/planner/time/rates.js";
import { stepTime } from "../../src/planner/time/step.js";
import { pipelined } from "./fixture.js";

const rates = ratesOf(prepare(pipelined).machine, statedStacks.megatron!, "bf16");
const nodes = (n: number) => ({ size: 8 * n, local: 8 });
const seconds = (row: Partial<Run>): number =>
  validateRuns([{ ...pipelined, ...row }]).rows[0]!.predicted!.step_seconds;
const gib = (row: Partial<Run>): number => validateRuns([{ ...pipelined, ...row }]).rows[0]!.predicted!.peak_memory_gib;

describe("collectives", () => {
  it("of small messages grow with the nodes of a ring, and with their logarithm in a tree", () => {
    const ring = (n: number): number => gatherSeconds(rates, 1, nodes(n));
    const tree = (n: number): number => allReduceSeconds(rates, 1, nodes(n));
    expect((ring(65) - ring(33)) / (ring(33) - ring(17))).toBeCloseTo(2, 3);
    expect((tree(63) - tree(31)) / (tree(31) - tree(15))).toBeCloseTo(1, 3);
  });

  it("take no more from kernels than they last, nor for waiting on a network", () => {
    for (const n of [1, 2, 16, 128])
      expect(contendedSeconds(rates, 1e9, nodes(n))).toBeLessThanOrEqual(gatherSeconds(rates, 1e9, nodes(n)));
    const slow = { ...rates, network: rates.network / 100 };
    expect(contendedSeconds(slow, 1e9, nodes(4))).toBe(contendedSeconds(rates, 1e9, nodes(4)));
  });

  it("send a token once to each node that has any of its experts", () => {
    const group = nodes(2);
    const all = allToAllSeconds(rates, 1e9, group);
    const once = allToAllSeconds(rates, 1e9, group, 8);
    // Eight copies over two nodes: at most one crosses, instead of four.
    expect(once / all).toBeLessThan(0.3);
    expect(allToAllSeconds(rates, 1e9, group, 1)).toBe(all);
  });
});

describe("a step", () => {
  it("pays for gradient accumulation in each micro-batch", () => {
    const p = prepare(pipelined);
    const of = (weightTraffic: number): number => stepTime(jobOf(p, { ...p.traits, weightTraffic })).seconds;
    const each = p.layout.accumulation;
    const fours = (x: number): number => (of(x) - of(0)) / each;
    expect(of(8)).toBeGreaterThan(of(0));
    expect(fours(8) / fours(4)).toBeCloseTo(2, 1);
  });

  it("is slower where a row says that nothing overlaps", () => {
    const row = { tp: 1, pp: 1, dp: 8, global_batch: 8, engine: "nemo" };
    expect(seconds({ ...row, notes: "no comm overlap" })).toBeGreaterThan(seconds(row));
  });

  it("of FSDP grows with the number of nodes", () => {
    const of = (gpus: number): number =>
      seconds({ engine: "llm-foundry", pp: 1, dp: gpus, gpus, zero_or_fsdp: "fsdp-full", global_batch: gpus });
    expect(of(512)).toBeGreaterThan(of(64));
  });
});

describe("memory", () => {
  it("holds less where the row names an 8-bit optimizer, or offloads it", () => {
    const row = { pp: 1, dp: 1, gpus: 1, global_batch: 1, zero_or_fsdp: "none", engine: "trl", gpu: "H200" };
    expect(gib({ ...row, notes: "paged AdamW 8-bit optimizer" })).toBeLessThan(gib(row));
    expect(gib({ ...row, dp: 8, gpus: 8, global_batch: 8, zero_or_fsdp: "zero2-offload" })).toBeLessThan(
      gib({ ...row, dp: 8, gpus: 8, global_batch: 8, zero_or_fsdp: "zero2" }),
    );
  });

  it("is the sum of its named parts at the peak", () => {
    const { memory } = peakOf(jobOf(prepare(pipelined)));
    const { peak, moment, phase, ...parts } = memory;
    const sum = Object.values(parts).reduce((a, b) => a + b, 0);
    expect([phase, moment]).toEqual(["update", "backward"]);
    expect(sum / peak).toBeCloseTo(1, 1);
  });
});

describe("one measured run", () => {
  it("is believed when it is far off, hardly when it is within the noise of layouts", () => {
    expect(believed([0.4]) / 0.4).toBeGreaterThan(0.85);
    expect(believed([0.03]) / 0.03).toBeLessThan(0.5);
    expect(believed([0])).toBe(0);
    expect(believed([-0.3])).toBeCloseTo(-believed([0.3]), 12);
  });

  it("is believed more beside others that say the same", () => {
    expect(believed([0.1, 0.1, 0.1, 0.1])).toBeGreaterThan(believed([0.1]));
  });
});
