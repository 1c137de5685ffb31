/** Placement on the layers of real models, as the cost model has them: equal to a MILP, and chosen under `auto`. */
import { expect, it } from "vitest";
import { costModel } from "../../src/planner/cost-model.js";
import { layerOptions, placeRecompute } from "../../src/planner/recompute/index.js";
import { solveLayout } from "../../src/planner/search/inner.js";
import type { StageContext } from "../../src/planner/types.js";
import { contextOf, parallel, program } from "../planner-physics/context.js";
import { milp } from "./milp.js";

const llama = contextOf(program("llama3 llama3_8b", "engine = megatron"));
const cases: readonly { name: string; context: StageContext; share: number; hostBandwidth?: number }[] = [
  { name: "llama", context: llama, share: 0.8 },
  { name: "llama with offload", context: llama, share: 0.8, hostBandwidth: 20e9 },
  {
    name: "mixtral",
    context: contextOf(program("mixtral mixtral_8x7b", "engine = megatron")),
    share: 0.8,
  },
  {
    name: "deepseek",
    context: contextOf(program("deepseek deepseek_v2_lite", "engine = megatron")),
    share: 0.55,
  },
];

it.each(cases)("$name: the optimum of HiGHS", async ({ context, share, hostBandwidth }) => {
  const p = parallel({ tensor: 2, sequence: true, pipeline: 4, micro_batch: 2 });
  const { stack } = context.policy;
  const kinds = [...new Set(stack.slice(1, -1))];
  const groups = kinds.map((kind) => ({
    count: Math.ceil(stack.filter((k) => k === kind).length / 4),
    options: layerOptions(
      costModel.layerCost(context, kind, { parallel: p, contextLength: 4096 }),
      hostBandwidth === undefined ? {} : { hostBandwidth },
    ),
    inFlight: 3,
  }));
  const all = groups.reduce((sum, g) => sum + g.count * g.inFlight * g.options[0]!.bytes, 0);
  const t0 = performance.now();
  const found = placeRecompute(groups, all * share)?.seconds ?? Number.POSITIVE_INFINITY;
  expect(performance.now() - t0).toBeLessThan(5000);
  // The solver's tolerances are absolute: MiB and milliseconds.
  const scaled = groups.map((g) => ({
    ...g,
    options: g.options.map((o) => ({
      ...o,
      bytes: o.bytes / 2 ** 20,
      transient: o.transient / 2 ** 20,
      seconds: o.seconds * 1000,
    })),
  }));
  const best = (await milp(scaled, (all * share) / 2 ** 20)) / 1000;
  expect(found === best || Math.abs(found / best - 1) < 1e-5, `${share}: ${found} and ${best}`).toBe(true);
});

it("an engine that can place op by op does so under auto, and is never slower than whole layers", () => {
  const context = llama;
  const can = context.engine.can;
  const able: StageContext = {
    ...context,
    engine: { ...context.engine, can: { ...can, recompute: [...can.recompute, "ops", "perLayer"] } },
  };
  const p = parallel({ data: 8, shard: "none", micro_batch: 2, tensor: 4, sequence: true });
  let byOps = 0;
  for (const gib of [44, 46, 48, 50, 52]) {
    const frame = { model: costModel, count: 4, contextLength: 8192, globalBatch: 128, capacity: gib * 1024 ** 3 };
    const placed = solveLayout({ ...frame, context: able }, p, Number.POSITIVE_INFINITY).best;
    const whole = solveLayout({ ...frame, context }, p, Number.POSITIVE_INFINITY).best;
    if (whole === undefined || placed === undefined) continue;
    expect(placed.evaluation.stepSeconds).toBeLessThanOrEqual(whole.evaluation.stepSeconds * (1 + 1e-9));
    if (placed.candidate.recompute.some((l) => l.mode === "ops" && l.ops.length > 0)) byOps++;
  }
  expect(byOps).toBeGreaterThan(0);
});

it("offloaded activations take host memory and free the device's", () => {
  const of = (stage: string) => {
    const context = contextOf(
      program("llama3 llama3_8b", `engine = trl\nrecompute = none\n${stage}`)
        .replace("objective = pretrain", "objective = sft")
        .replace('field = "text"', 'prompt = "a", completion = "b"'),
    );
    const frame = { model: costModel, context, count: 8, contextLength: 4096, globalBatch: 64, capacity: 79e9 };
    const p = parallel({ data: 64, shard: "zero3", shard_group: 64, accumulation: 1 });
    const solved = solveLayout(frame, p, Number.POSITIVE_INFINITY);
    return (solved.best ?? solved.smallest)!;
  };
  const kept = of("offload = none");
  const moved = of("offload = activations");
  expect(moved.evaluation.peakBytes).toBeLessThan(0.8 * kept.evaluation.peakBytes);
  expect(moved.evaluation.stepSeconds).toBeGreaterThanOrEqual(kept.evaluation.stepSeconds);
  expect(moved.candidate.recompute[3]!.offload.length).toBeGreaterThan(0);
});
