/** Where a peak is, by name: rank, micro-batch, layer, module; the same in every view of a plan. */
import { describe, expect, it } from "vitest";
import { costModel } from "../../src/planner/cost-model.js";
import type { ParallelPlan, RecomputeLayer } from "../../src/planner/plan.js";
import { candidateOf, contextOf, parallel, program } from "./context.js";

const llama = contextOf(program("llama3 llama3_8b", "engine = megatron"));
const fsdp = contextOf(program("llama3 llama3_8b", "engine = torchtitan"));
const deepseek = contextOf(program("deepseek deepseek_v2_lite", "engine = megatron"));
const of = (context: typeof llama, p: Partial<ParallelPlan>, mode: RecomputeLayer["mode"] = "none", length = 4096) =>
  costModel.memoryPlan(context, candidateOf(context, parallel(p), mode, length));

describe("the peak", () => {
  it("of a pipeline's first stage is the last of its layers, in the first backward", () => {
    const m = of(llama, { pipeline: 4, data: 2, accumulation: 16 });
    expect(m.peak).toEqual({ stage: 0, phase: "update", moment: "backward", micro_batch: 1, layer: 7, module: "MLP" });
    expect(m.peak_at).toBe("stage 0, backward of micro-batch 1, layer 7's MLP");
  });

  it("says that a layer is run again", () => {
    const m = of(llama, { pipeline: 4, data: 2, accumulation: 16, micro_batch: 4 }, "full");
    expect(m.peak_at).toMatch(/^stage \d, (backward of micro-batch 1, layer \d+'s MLP, recomputed|loss of)/);
  });

  it("of FSDP comes with the second micro-batch, when there are gradients", () => {
    const m = of(fsdp, { shard: "zero3", shard_group: 8, accumulation: 4 }, "none", 2048);
    expect(m.peak!.micro_batch).toBe(2);
    expect(of(fsdp, { shard: "zero3", shard_group: 8, accumulation: 1 }, "none", 2048).peak!.micro_batch).toBe(1);
  });

  it("of experts is named so, with the layer's number in the names of weights", () => {
    const m = of(deepseek, { pipeline: 4, data: 8, expert: 8, accumulation: 16 });
    expect(m.peak!.module).toBe("experts");
    const chunk = candidateOf(deepseek, parallel({ pipeline: 4, data: 8, expert: 8, accumulation: 16 })).chunks[0]!;
    expect(m.peak!.layer).toBe(chunk.last - 1);
  });

  it("is in the timeline, which grows over forwards, falls over the backward, and never passes it", () => {
    const m = of(llama, { pipeline: 4, data: 2, accumulation: 16 });
    const at = m.timeline.findIndex((t) => t.label === `peak: ${m.peak_at}`);
    expect(m.timeline[at]!.bytes).toBe(Math.round(m.peak_bytes));
    const activations = m.timeline.map((t) => t.items.find((i) => i.what === "saved activations")?.bytes ?? 0);
    for (let i = 1; i <= at; i++) expect(activations[i]!).toBeGreaterThanOrEqual(activations[i - 1]!);
    for (let i = at + 1; i < activations.length; i++) expect(activations[i]!).toBeLessThanOrEqual(activations[i - 1]!);
    const labels = m.timeline.slice(at + 1).map((t) => t.label);
    expect(labels.some((l) => /^backward, layer \d's (MLP|attention)$/.test(l))).toBe(true);
    for (let i = 1; i < m.timeline.length; i++)
      expect(m.timeline[i]!.seconds).toBeGreaterThanOrEqual(m.timeline[i - 1]!.seconds);
  });
});
