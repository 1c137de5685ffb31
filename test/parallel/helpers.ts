/** A tiny model under a layout of workers, and the plain program beside it. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { buildSync } from "esbuild";
import { check } from "../../src/checker/index.js";
import { nodeHost } from "../../src/cli/host.js";
import type { ModelGraph } from "../../src/model/graph.js";
import { buildModel } from "../../src/model/index.js";
import { parse } from "../../src/parser/index.js";
import { toChunks } from "../../src/planner/layout/index.js";
import type { ParallelPlan, RecomputeLayer } from "../../src/planner/plan.js";
import {
  applyUpdate,
  type HostBatch,
  makeOptimizer,
  makeState,
  microBatchStep,
  putBatch,
  storedWeights,
} from "../../src/program/index.js";
import { startBackend } from "../../src/runtime/backend/index.js";
import { Team, type TeamJob } from "../../src/runtime/parallel/index.js";
import { initialValues } from "../../src/runtime/train/index.js";

const cache = join(import.meta.dirname, "../../node_modules/.cache/llmp-test");

/** The worker's program for tests; remove it after. */
export function buildWorker(): { readonly file: string; readonly remove: () => void } {
  mkdirSync(cache, { recursive: true });
  const file = join(cache, `worker-${process.pid}-${Math.random().toString(36).slice(2)}.mjs`);
  buildSync({
    entryPoints: [join(import.meta.dirname, "../../src/runtime/parallel/worker.ts")],
    bundle: true,
    platform: "node",
    format: "esm",
    outfile: file,
    external: ["@tensorflow/*"],
    logLevel: "silent",
  });
  return { file, remove: () => rmSync(file, { force: true }) };
}

/** The graph of a model block, as the planner and the runtime build it. */
export function graphOf(model: string): ModelGraph {
  const text = `dataset d { source = "s3://a/b", tokens = 1M }\nmodel m {\n${model}\n}\ntrain t { objective = pretrain, model = m, data = d, steps = 1, batch = 1 sequences }\n`;
  const { value: ast } = parse({ path: "t.llmp", text });
  const { value: pipeline, diagnostics } = check(ast, nodeHost(), {});
  if (pipeline === undefined) throw new Error(JSON.stringify(diagnostics));
  return buildModel(pipeline, "m");
}

export const alone: ParallelPlan = {
  data: 1,
  shard: "none",
  shard_group: 1,
  tensor: 1,
  sequence: false,
  pipeline: 1,
  virtual: 1,
  context: 1,
  expert: 1,
  micro_batch: 1,
  accumulation: 1,
  schedule: "1f1b",
};

export interface Case {
  readonly graph: ModelGraph;
  readonly parallel: ParallelPlan;
  readonly recompute?: readonly RecomputeLayer[];
  readonly optimizer?: "adamw" | "sgd";
  readonly compute?: string;
  readonly length: number;
  readonly segments?: boolean;
}

export const sequencesOf = (p: ParallelPlan): number => p.data * p.micro_batch * p.accumulation;

export function batchAt(c: Case, step: number): HostBatch {
  const sequences = sequencesOf(c.parallel);
  const n = sequences * c.length;
  const { vocab } = c.graph;
  const at = (i: number): number =>
    (Math.floor(i / c.length) * 5 + (i % c.length) * 3 + step * 7 + ((i * i) % 11)) % vocab;
  // Documents of uneven lengths; the last of each has padding.
  const document = (i: number): number => Math.floor((i % c.length) / 5);
  return {
    sequences,
    length: c.length,
    tokens: Int32Array.from({ length: n }, (_, i) => at(i)),
    targets: Int32Array.from({ length: n }, (_, i) => at(i + 1)),
    weights: Float32Array.from({ length: n }, (_, i) => (i % 7 === 6 ? 0 : 1)),
    ...(c.segments === true
      ? {
          segments: Int32Array.from({ length: n }, (_, i) => document(i)),
          positions: Int32Array.from({ length: n }, (_, i) => (i % c.length) % 5),
        }
      : {}),
  };
}

const seed = 11;
const updateAt = (step: number) => ({
  lr: 1e-2,
  beta1: 0.9,
  beta2: 0.95,
  // Above the rounding of a gradient: AdamW turns noise in vanishing ones into whole steps.
  eps: 1e-5,
  weightDecay: 0.1,
  clip: 1,
  t: step + 1,
  lossScale: 1,
});
const scaleOf = (b: HostBatch): number => 1 / b.weights.reduce((a, x) => a + x, 0);
const meanOf = (rows: Float64Array, b: HostBatch): number => rows.reduce((a, x) => a + x, 0) * scaleOf(b);

export interface Outcome {
  readonly losses: readonly number[];
  readonly norms: readonly number[];
  readonly weights: ReadonlyMap<string, Float32Array>;
}

/** Tiny models start with larger matrices than real ones, so that losses and gradients are no noise. */
function livelier(graph: ModelGraph): ModelGraph {
  const kinds = Object.fromEntries(
    Object.entries(graph.kinds).map(([id, kind]) => {
      const weights = Object.entries(kind.weights).map(([name, w]) => [
        name,
        w.init.kind === "normal" ? { ...w, init: { kind: "normal" as const, std: 0.2 } } : w,
      ]);
      return [id, { ...kind, weights: Object.fromEntries(weights) }];
    }),
  );
  return { ...graph, kinds };
}

/** One device, no layout, nothing recomputed. */
export async function plain(c: Case, steps: number): Promise<Outcome> {
  const { algebra } = await startBackend("wasm");
  const graph = livelier(c.graph);
  const state = makeState(algebra, graph, c.length, (w) => initialValues(w, seed));
  const optimizer = makeOptimizer(algebra, state, c.optimizer ?? "adamw");
  const losses: number[] = [];
  const norms: number[] = [];
  for (let step = 0; step < steps; step++) {
    const b = batchAt(c, step);
    const there = putBatch(algebra, b);
    const rows = microBatchStep(algebra, state, there, [], scaleOf(b));
    losses.push(meanOf(Float64Array.from(algebra.read(rows)), b));
    algebra.free(rows);
    there.free();
    norms.push(applyUpdate(algebra, state, optimizer, updateAt(step)));
  }
  const weights = new Map(storedWeights(graph).map(({ name }) => [name, algebra.read(state.weights.get(name)!)]));
  return { losses, norms, weights };
}

export async function onWorkers(c: Case, steps: number, file: string): Promise<Outcome> {
  const { parallel } = c;
  const layers = c.graph.stack.length - 2;
  const parts = parallel.pipeline * parallel.virtual;
  const sizes = Array.from(
    { length: parts },
    (_, i) => Math.floor((layers * (i + 1)) / parts) - Math.floor((layers * i) / parts),
  );
  const job: TeamJob = {
    graph: livelier(c.graph),
    parallel,
    chunks:
      parts === 1 ? [{ rank: 0, first: 0, last: layers + 1 }] : toChunks(sizes, parallel.pipeline, parallel.schedule),
    recompute: c.recompute ?? [],
    optimizer: c.optimizer ?? "adamw",
    compute: c.compute ?? "fp32",
    contextLength: c.length,
    seed,
    tensors: new Map(),
  };
  const team = await Team.open(job, file);
  const losses: number[] = [];
  const norms: number[] = [];
  for (let step = 0; step < steps; step++) {
    const b = batchAt(c, step);
    losses.push(meanOf(await team.run(b, scaleOf(b)), b));
    norms.push(await team.update(updateAt(step)));
  }
  const state = await team.tensors("weights");
  await team.close();
  const weights = new Map(
    state.flatMap(({ name, values }) => (name.startsWith("weight/") ? [[name.slice(7), values] as const] : [])),
  );
  return { losses, norms, weights };
}

/** Largest relative difference of losses, norms, and weights (‖a − b‖ / ‖a‖ of each tensor). */
export function difference(
  a: Outcome,
  b: Outcome,
): { readonly losses: number; readonly norms: number; readonly weights: number } {
  const relative = (x: readonly number[], y: readonly number[]): number =>
    Math.max(...x.map((v, i) => Math.abs(v - y[i]!) / Math.abs(v)));
  let weights = a.weights.size === b.weights.size ? 0 : Number.POSITIVE_INFINITY;
  for (const [name, x] of a.weights) {
    const y = b.weights.get(name);
    if (y === undefined || y.length !== x.length) return { losses: 1, norms: 1, weights: Number.POSITIVE_INFINITY };
    let off = 0;
    let size = 0;
    x.forEach((v, i) => {
      off += (v - y[i]!) ** 2;
      size += v * v;
    });
    weights = Math.max(weights, Math.sqrt(off / size));
  }
  return { losses: relative(a.losses, b.losses), norms: relative(a.norms, b.norms), weights };
}
