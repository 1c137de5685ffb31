/** Engines that place recomputation op by op: never slower than any uniform way, and within memory. */
import { expect, it } from "vitest";
import { solveLayout } from "../../src/planner/search/inner.js";
import { layouts } from "../../src/planner/search/layouts.js";
import { stageProblem } from "../../src/planner/search/problem.js";
import { build, fileText, hardware, pipelineOf, standIn } from "./stand-in.js";

it("beats every uniform way wherever memory is short", () => {
  const pipeline = pipelineOf(fileText({ layers: 12, hidden: 4096, heads: 32, batch: "32 sequences", context: "8Ki" }));
  const { problem } = stageProblem(pipeline, pipeline.stages[0]!, hardware, build, {});
  const [c] = problem!.configurations;
  const model = standIn();
  const able = {
    ...c!.context.engine,
    can: {
      ...c!.context.engine.can,
      recompute: ["none", "full", "selective", "every", "block", "ops", "perLayer"] as const,
    },
  };
  const uniform = {
    ...c!.context.engine,
    can: { ...able.can, recompute: ["none", "full", "selective", "every", "block"] as const },
  };
  let better = 0;
  let compared = 0;
  const space = {
    settings: pipeline.stages[0]!.parallel,
    can: able.can,
    spec: pipeline.models.m!,
    layers: 12,
    devices: 8,
    contextLength: 8192,
    globalBatch: 32,
  };
  for (const parallel of layouts(space)) {
    if (parallel.pipeline > 2 || parallel.micro_batch > 4) continue;
    for (const gib of [12, 20, 32]) {
      const frame = { model, count: 1, contextLength: 8192, globalBatch: 32, capacity: gib * 1024 ** 3 };
      const a = solveLayout({ ...frame, context: { ...c!.context, engine: able } }, parallel, Number.POSITIVE_INFINITY);
      const b = solveLayout(
        { ...frame, context: { ...c!.context, engine: uniform } },
        parallel,
        Number.POSITIVE_INFINITY,
      );
      if (b.best === undefined) continue;
      compared++;
      expect(a.best!.evaluation.peakBytes).toBeLessThanOrEqual(frame.capacity);
      expect(a.best!.evaluation.stepSeconds).toBeLessThanOrEqual(b.best.evaluation.stepSeconds * (1 + 1e-9));
      if (a.best!.evaluation.stepSeconds < b.best.evaluation.stepSeconds * (1 - 1e-6)) better++;
    }
  }
  expect(compared).toBeGreaterThan(20);
  expect(better).toBeGreaterThan(0);
});
