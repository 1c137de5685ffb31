import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { costModel } from "../../src/planner/cost-model.js";
import type { ParallelPlan, RecomputeLayer } from "../../src/planner/plan.js";
import { gemmElements } from "../../src/planner/time/shape.js";
import { shapeOfGraph } from "../../src/planner/time/shape-of-graph.js";
import { candidateOf, contextOf, parallel, program } from "./context.js";

const llama = contextOf(program("llama3 llama3_8b", "engine = megatron"));
const fsdp = contextOf(program("llama3 llama3_8b", "engine = torchtitan"));
const mixtral = contextOf(program("mixtral mixtral_8x7b", "engine = megatron"));

const contexts = { llama, fsdp, mixtral };
const named = fc.constantFrom("llama", "fsdp", "mixtral") as fc.Arbitrary<keyof typeof contexts>;

const layouts = fc
  .record({
    tensor: fc.constantFrom(1, 2, 4, 8),
    pipeline: fc.constantFrom(1, 2, 4),
    data: fc.constantFrom(1, 2, 8, 16),
    micro_batch: fc.constantFrom(1, 2, 4),
    accumulation: fc.constantFrom(4, 8, 16),
    virtual: fc.constantFrom(1, 2),
    shard: fc.constantFrom("none", "zero1", "zero2", "zero3"),
    mode: fc.constantFrom("none", "full"),
    schedule: fc.constantFrom("1f1b", "gpipe", "zero_bubble"),
  })
  .map(({ mode, virtual, schedule, ...p }): [ParallelPlan, RecomputeLayer["mode"]] => [
    parallel({
      ...(p as Partial<ParallelPlan>),
      sequence: p.tensor > 1,
      virtual: p.pipeline > 1 && schedule === "1f1b" ? virtual : 1,
      schedule: (p.pipeline > 1 ? (virtual > 1 && schedule === "1f1b" ? "interleaved" : schedule) : "1f1b") as never,
      shard_group: p.shard === "zero3" ? p.data : 1,
    }),
    mode as RecomputeLayer["mode"],
  ]);

describe("the shape of a graph", () => {
  it("has all of the graph's parameters", () => {
    for (const { policy } of [llama, mixtral, contextOf(program("deepseek deepseek_v3", "engine = megatron"))]) {
      const shape = shapeOfGraph(policy);
      const all = shape.stack.reduce((sum, kind) => {
        const s = shape.kinds[kind]!;
        return sum + s.small + s.table + s.gemms.reduce((a, g) => a + gemmElements(g), 0);
      }, 0);
      expect(Math.abs(all / policy.parameters - 1)).toBeLessThan(0.001);
    }
  });
});

describe("evaluate", () => {
  it("agrees with memoryPlan and timePlan", () => {
    fc.assert(
      fc.property(layouts, named, ([p, mode], name) => {
        const context = contexts[name];
        const candidate = candidateOf(context, p, mode);
        const quick = costModel.evaluate(context, candidate);
        const memory = costModel.memoryPlan(context, candidate);
        const time = costModel.timePlan(context, candidate);
        expect(memory.peak_bytes).toBe(quick.peakBytes);
        expect(memory.fits).toBe(quick.fits);
        expect(time.step_seconds).toBe(quick.stepSeconds);
        expect(Math.max(...quick.ranks!.map((r) => r.peakBytes))).toBe(quick.peakBytes);
        const parts = memory.breakdown.reduce((sum, item) => sum + item.bytes, 0);
        expect(Math.abs(parts / memory.peak_bytes - 1)).toBeLessThan(1e-6);
        const seconds = time.breakdown.reduce((sum, item) => sum + item.seconds, 0);
        expect(Math.abs(seconds / time.step_seconds - 1)).toBeLessThan(1e-6);
      }),
      { numRuns: 150 },
    );
  });

  it("is never below the lower bound", () => {
    fc.assert(
      fc.property(layouts, named, ([p, mode], name) => {
        const context = contexts[name];
        const candidate = candidateOf(context, p, mode);
        const bound = costModel.lowerBound(context, candidate);
        const { stepSeconds, peakBytes } = costModel.evaluate(context, candidate);
        expect(bound.stepSeconds).toBeLessThanOrEqual(stepSeconds);
        expect(bound.peakBytes).toBeLessThanOrEqual(peakBytes);
        expect(bound.stepSeconds).toBeGreaterThan(0.05 * stepSeconds);
      }),
      { numRuns: 300 },
    );
  });

  it("takes more memory for larger micro-batches, longer sequences, and less where everything is recomputed", () => {
    fc.assert(
      fc.property(layouts, named, ([p, mode], name) => {
        const context = contexts[name];
        const of = (more: Partial<ParallelPlan>, m: RecomputeLayer["mode"], length = 4096) =>
          costModel.evaluate(context, candidateOf(context, { ...p, ...more }, m, length));
        const base = of({}, mode);
        expect(of({ micro_batch: 2 * p.micro_batch }, mode).peakBytes).toBeGreaterThanOrEqual(base.peakBytes);
        expect(of({ micro_batch: 2 * p.micro_batch }, mode).stepSeconds).toBeGreaterThanOrEqual(base.stepSeconds);
        expect(of({}, mode, 8192).peakBytes).toBeGreaterThanOrEqual(base.peakBytes);
        expect(of({}, mode, 8192).stepSeconds).toBeGreaterThanOrEqual(base.stepSeconds);
        expect(of({}, "full").peakBytes).toBeLessThanOrEqual(of({}, "none").peakBytes);
        expect(of({}, "full").stepSeconds).toBeGreaterThanOrEqual(of({}, "none").stepSeconds);
      }),
      { numRuns: 100 },
    );
  });
});

describe("layer costs", () => {
  it("splits the saved bytes over ops, and no more than there are", () => {
    const cost = costModel.layerCost(llama, llama.policy.stack[1]!, { parallel: parallel(), contextLength: 4096 });
    const sum = cost.ops.reduce((a, op) => a + op.savedBytes, 0);
    expect(sum).toBeGreaterThan(0.9 * (cost.savedBytes - cost.inputBytes));
    expect(sum).toBeLessThanOrEqual(1.0001 * (cost.savedBytes - cost.inputBytes));
    expect(cost.backwardSeconds).toBeGreaterThan(1.5 * cost.forwardSeconds);
    expect(cost.ops.find((op) => op.id === "attn.o_proj")!.needs).toContain("attn.core");
  });
});
