/** Full enumeration of a configuration: every layout, every split of the layers, every way of recomputing. */

import type { ScheduleKind } from "../../src/checker/pipeline.js";
import { mergeHardware } from "../../src/hardware/index.js";
import { spread, toChunks } from "../../src/planner/layout/index.js";
import { everyNth, firstOfChunks, full, none, type Placement, selective } from "../../src/planner/recompute/modes.js";
import { layouts } from "../../src/planner/search/layouts.js";
import type { Configuration, StageProblem } from "../../src/planner/search/problem.js";
import { capacityOf } from "../../src/planner/search/terms.js";
import type { Candidate, CostModel } from "../../src/planner/types.js";
import { hardware, type pipelineOf } from "./stand-in.js";

/** Mulberry32: a seed names its problem. */
export function random(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export const pick = <T>(next: () => number, from: readonly T[]): T => from[Math.floor(next() * from.length)]!;

export const merged = (pipeline: ReturnType<typeof pipelineOf>) =>
  mergeHardware(hardware, pipeline.accelerators, pipeline.instances);

export function* compositions(total: number, parts: number): Generator<number[]> {
  if (parts === 1) {
    if (total >= 1) yield [total];
    return;
  }
  for (let first = 1; first <= total - parts + 1; first++)
    for (const rest of compositions(total - first, parts - 1)) yield [first, ...rest];
}

const even = (layers: number, parts: number): number[] => new Array<number>(parts).fill(layers / parts);

/** Every number of layers on every rank; the chunks of one rank as even as can be, the later ones larger. */
export function* splits(
  layers: number,
  pipeline: number,
  virtual: number,
  schedule: ScheduleKind,
): Generator<number[]> {
  for (const counts of compositions(layers, pipeline))
    if (counts.every((n) => n >= virtual)) yield spread(counts, virtual, schedule);
}

/** Seconds of the fastest candidate that fits; infinite: none does. */
export function fastest(problem: StageProblem, c: Configuration, model: CostModel): number {
  const { context } = c;
  const { policy: graph, engine } = context;
  const { can } = engine;
  const capacity = capacityOf(problem, c);
  const layers = graph.stack.length - 2;
  const space = {
    settings: problem.stage.parallel,
    can,
    spec: problem.pipeline.models[problem.stage.model.value]!,
    layers,
    devices: c.devices,
    contextLength: c.contextLength,
    globalBatch: c.globalBatch,
  };
  const uniform: Placement[] = [];
  if (can.recompute.includes("none")) uniform.push(none(graph));
  if (can.recompute.includes("selective")) uniform.push(selective(graph));
  if (can.recompute.includes("full")) uniform.push(full(graph));
  if (can.recompute.includes("every")) for (let n = 2; n <= layers; n++) uniform.push(everyNth(graph, n));
  let best = Number.POSITIVE_INFINITY;
  for (const parallel of layouts(space)) {
    const { pipeline, virtual, schedule } = parallel;
    const parts = pipeline * virtual;
    for (const sizes of can.unevenPipeline ? splits(layers, pipeline, virtual, schedule) : [even(layers, parts)]) {
      const chunks = toChunks(sizes, parallel.pipeline, parallel.schedule);
      const ways = [...uniform];
      if (can.recompute.includes("block")) for (let n = 1; n < layers; n++) ways.push(firstOfChunks(graph, chunks, n));
      for (const recompute of ways) {
        const candidate: Candidate = {
          count: c.count,
          pricing: "on_demand",
          contextLength: c.contextLength,
          globalBatch: c.globalBatch,
          parallel,
          recompute,
          offload: "none",
          chunks,
        };
        const e = model.evaluate(context, candidate);
        if (e.fits && e.peakBytes <= capacity && e.stepSeconds < best) best = e.stepSeconds;
      }
    }
  }
  return best;
}
