/** Branch and bound against full enumeration: the same optimum on hundreds of random small problems. */
import { expect, it } from "vitest";
import { toChunks } from "../../src/planner/layout/index.js";
import { everyNth, firstOfChunks, full, none, selective } from "../../src/planner/recompute/modes.js";
import { layouts } from "../../src/planner/search/layouts.js";
import { stageProblem } from "../../src/planner/search/problem.js";
import { capacityOf, search } from "../../src/planner/search/solve.js";
import type { Candidate } from "../../src/planner/types.js";
import { build, fileText, hardware, pipelineOf, standIn, type World } from "./stand-in.js";

/** Mulberry32: a seed names its problem. */
function random(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function* compositions(total: number, parts: number): Generator<number[]> {
  if (parts === 1) {
    if (total >= 1) yield [total];
    return;
  }
  for (let first = 1; first <= total - parts + 1; first++)
    for (const rest of compositions(total - first, parts - 1)) yield [first, ...rest];
}

const pick = <T>(next: () => number, from: readonly T[]): T => from[Math.floor(next() * from.length)]!;

function problemOf(seed: number) {
  const next = random(seed);
  const layers = pick(next, [2, 3, 4, 5, 6]);
  const engine = pick(next, ["megatron", "megatron", "torchtitan"]);
  const text = fileText({
    layers,
    hidden: pick(next, [1024, 2048, 4096]),
    heads: pick(next, [2, 4, 8]),
    batch: `${pick(next, [8, 12, 16])} sequences`,
    context: pick(next, ["2Ki", "8Ki"]),
    count: "1",
    instance: "small",
    engine,
    budget: `accelerator tiny { vendor = nvidia, memory = ${pick(next, [4, 6, 9, 14, 24, 60])}GiB, memory_bandwidth = 2TB, bf16 = 300T, link_bandwidth = 300GB, domain = 8 }
instance small { accelerator = tiny, accelerators = ${pick(next, [2, 4, 6, 8])}, memory = 500GiB, network = 50GB, price = $10 }`,
  });
  const world: World = {
    efficiency: 0.3 + next() * 0.4,
    savedPerFeature: 10 + next() * 60,
    latency: 10 ** (-6 + next() * 3),
  };
  return { text, world };
}

function enumerate(seed: number): { best: number; found: number } {
  const { text, world } = problemOf(seed);
  const pipeline = pipelineOf(text);
  const model = standIn(world);
  const { problem } = stageProblem(pipeline, pipeline.stages[0]!, merged(pipeline), build, {});
  const [c] = problem!.configurations;
  const { context } = c!;
  const { policy: graph, engine } = context;
  const capacity = capacityOf(problem!, c!);
  const layers = graph.stack.length - 2;
  let best = Number.POSITIVE_INFINITY;
  for (const parallel of layouts({
    settings: pipeline.stages[0]!.parallel,
    can: engine.can,
    spec: pipeline.models.m!,
    layers,
    devices: c!.devices,
    contextLength: c!.contextLength,
    globalBatch: c!.globalBatch,
  })) {
    for (const sizes of compositions(layers, parallel.pipeline * parallel.virtual)) {
      const chunks = toChunks(sizes, parallel.pipeline, parallel.schedule);
      const ways = [none(graph), selective(graph), full(graph)];
      if (engine.can.recompute.includes("every")) for (let n = 2; n <= layers; n++) ways.push(everyNth(graph, n));
      if (engine.can.recompute.includes("block"))
        for (let n = 1; n < layers; n++) ways.push(firstOfChunks(graph, chunks, n));
      for (const recompute of ways) {
        const candidate: Candidate = {
          count: 1,
          pricing: "on_demand",
          contextLength: c!.contextLength,
          globalBatch: c!.globalBatch,
          parallel,
          recompute,
          offload: "none",
          chunks,
        };
        const e = model.evaluate(context, candidate);
        if (e.peakBytes <= capacity && e.stepSeconds < best) best = e.stepSeconds;
      }
    }
  }
  const result = search(problem!, model);
  return { best, found: result.front[0]?.stepSeconds ?? Number.POSITIVE_INFINITY };
}

import { mergeHardware } from "../../src/hardware/index.js";

const merged = (pipeline: ReturnType<typeof pipelineOf>) =>
  mergeHardware(hardware, pipeline.accelerators, pipeline.instances);

it("finds what full enumeration finds, on 300 random problems", () => {
  let feasible = 0;
  for (let seed = 1; seed <= 300; seed++) {
    const { best, found } = enumerate(seed);
    if (Number.isFinite(best)) feasible++;
    expect(found / best, `seed ${seed}: found ${found}, best ${best}`).toSatisfy(
      (r: number) => Number.isNaN(r) || Math.abs(r - 1) < 1e-9,
    );
  }
  // The generator must not be so hard, or so easy, that the test says nothing.
  expect(feasible).toBeGreaterThan(150);
  expect(feasible).toBeLessThan(300);
});
