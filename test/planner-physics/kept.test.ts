/** What plans count of a layer's saved bytes is what its engine's kernels keep, op by op. */
import { describe, expect, it } from "vitest";
import { savedTensors } from "../../src/model/index.js";
import { costModel } from "../../src/planner/cost-model.js";
import { contextOf, parallel, program } from "./context.js";

const one = parallel({ data: 1, shard: "none", accumulation: 1 });

describe.each([
  ["trl", "eager"],
  ["torchtitan", "compiled"],
] as const)("%s", (engine, kernels) => {
  it.each(["llama3 llama3_8b", "qwen3 qwen3_8b"])("%s: every tensor of a layer once", (model) => {
    const context = contextOf(program(model, `engine = ${engine}`));
    const kind = context.policy.stack[1]!;
    const counted = savedTensors(context.policy.kinds[kind]!, kernels).reduce((sum, t) => sum + t.bytes, 0);
    const cost = costModel.layerCost(context, kind, { parallel: one, contextLength: 4096 });
    expect(cost.savedBytes).toBeCloseTo(4096 * counted, -1);
    const halves = costModel.layerCost(context, kind, { parallel: { ...one, micro_batch: 2 }, contextLength: 4096 });
    expect(halves.savedBytes).toBeCloseTo(2 * cost.savedBytes, -1);
  });
});

describe("activations in 32 bits", () => {
  it("take what the same kernels keep then, which is not twice as much", () => {
    const of = (precision: string) => {
      const context = contextOf(program("llama3 llama3_8b", "engine = trl").replace("= bf16", `= ${precision}`));
      const kind = context.policy.stack[1]!;
      return {
        layer: context.policy.kinds[kind]!,
        cost: costModel.layerCost(context, kind, { parallel: one, contextLength: 2048 }),
      };
    };
    const { layer, cost } = of("fp32");
    const counted = savedTensors(layer, "eager", { bytes: 4 }).reduce((sum, t) => sum + t.bytes, 0);
    expect(cost.savedBytes).toBeCloseTo(2048 * counted, -1);
    expect(cost.inputBytes).toBe(2 * of("bf16").cost.inputBytes);
    expect(cost.savedBytes / of("bf16").cost.savedBytes).toBeLessThan(1.9);
  });
});

describe("eager transformers", () => {
  const bytes = (model: string): number => {
    const context = contextOf(program(model, "engine = trl"));
    const kind = context.policy.stack[1]!;
    return costModel.layerCost(context, kind, { parallel: one, contextLength: 1024 }).savedBytes / 1024;
  };
  it("keep 16 bytes a hidden feature of Llama, 8 of the MLP's; norms of queries and four norms a layer add theirs", () => {
    const [h, ffn] = [4096, 14336];
    expect(bytes("llama3 llama3_8b")).toBe(16 * h + 8 + 2 * (2 * h + 2 * 1024) + 4 * 32 + 8 * ffn);
    const [q, k] = [4096, 1024];
    expect(bytes("qwen3 qwen3_8b")).toBe(
      16 * h + 8 + 6 * (q + k) + 4 * (32 + 8) + 2 * (2 * q + 2 * k) + 4 * 32 + 8 * 12288,
    );
  });
});
