/** A tiny model under a layout of workers, and the plain program beside it. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { buildSync } from "esbuild";
import { afterAll, beforeAll } from "vitest";
import { check } from "../../src/checker/index.js";
import { nodeHost } from "../../src/cli/host.js";
import type { ModelGraph } from "../../src/model/graph.js";
import { buildModel } from "../../src/model/index.js";
import { parse } from "../../src/parser/index.js";
import { evenChunks } from "../../src/planner/layout/index.js";
import { oneDevice, type ParallelPlan, type RecomputeLayer } from "../../src/planner/plan.js";
import type { OptimizerKind } from "../../src/program/index.js";
import { Pool, type TeamJob } from "../../src/runtime/parallel/index.js";
import {
  type Difference,
  differenceOf,
  type Lesson,
  livelier,
  plainCourse,
  teamCourse,
} from "../../src/runtime/parallel/rehearsal/index.js";

const cache = join(import.meta.dirname, "../../node_modules/.cache/llmp-test");

/** The worker's program for tests; remove it after. */
export function buildWorker(program = "../../src/runtime/parallel/worker.ts"): {
  readonly file: string;
  readonly remove: () => void;
} {
  mkdirSync(cache, { recursive: true });
  const file = join(cache, `worker-${process.pid}-${Math.random().toString(36).slice(2)}.mjs`);
  buildSync({
    entryPoints: [join(import.meta.dirname, program)],
    bundle: true,
    platform: "node",
    format: "esm",
    outfile: file,
    external: ["@tensorflow/*"],
    logLevel: "silent",
  });
  return { file, remove: () => rmSync(file, { force: true }) };
}

/** Workers for all tests of a file. */
export function poolFor(size: number): () => Pool {
  const { file, remove } = buildWorker();
  let pool: Pool;
  beforeAll(async () => {
    pool = await Pool.start(size, { file });
  });
  afterAll(async () => {
    await pool.end();
    remove();
  });
  return () => pool;
}

/** The graph of a model block, as the planner and the runtime build it. */
export function graphOf(model: string, adapter?: string, freeze: readonly string[] = []): ModelGraph {
  const text = `${adapter === undefined ? "" : `adapter a { ${adapter} }\n`}dataset d { source = "s3://a/b", tokens = 1M }\nmodel m {\n${model}\n}\ntrain t { objective = pretrain, model = m, data = d, steps = 1, batch = 1 sequences }\n`;
  const { value: ast } = parse({ path: "t.llmp", text });
  const { value: pipeline, diagnostics } = check(ast, nodeHost(), {});
  if (pipeline === undefined) throw new Error(JSON.stringify(diagnostics));
  return buildModel(pipeline, "m", { ...(adapter === undefined ? {} : { adapter: "a" }), freeze });
}

export const alone: ParallelPlan = oneDevice;

export interface Case {
  readonly graph: ModelGraph;
  readonly parallel: ParallelPlan;
  readonly recompute?: readonly RecomputeLayer[];
  readonly optimizer?: OptimizerKind;
  readonly objective?: TeamJob["objective"];
  /** Reference or teacher. */
  readonly beside?: NonNullable<Lesson["beside"]>;
  readonly length: number;
  readonly segments?: boolean;
}

/** An objective with options, as a file would give them. */
export const named = (kind: string, options: Readonly<Record<string, string | number>>): TeamJob["objective"] => ({
  kind,
  options: Object.fromEntries(Object.entries(options).map(([k, value]) => [k, { value, from: "file" }])),
});

export const sequencesOf = (p: ParallelPlan): number => p.data * p.micro_batch * p.accumulation;

export const steps = 4;

export const lessonOf = (c: Case): Lesson => ({
  graph: livelier(c.graph),
  optimizer: c.optimizer ?? "adamw",
  objective: c.objective ?? { kind: "pretrain", options: {} },
  ...(c.beside === undefined ? {} : { beside: { ...c.beside, graph: livelier(c.beside.graph) } }),
  microBatch: c.parallel.micro_batch,
  sequences: sequencesOf(c.parallel),
  length: c.length,
  steps,
  packed: c.segments === true,
  seed: 11,
});

export function jobOf(c: Case): TeamJob {
  const { parallel } = c;
  const chunks = evenChunks(c.graph.stack.length - 2, parallel);
  const { beside } = c;
  return {
    graph: livelier(c.graph),
    parallel,
    chunks,
    objective: c.objective ?? { kind: "pretrain", options: {} },
    ...(beside === undefined
      ? {}
      : {
          beside: {
            graph: livelier(beside.graph),
            shares: beside.shares,
            chunks: beside.shares ? chunks : evenChunks(beside.graph.stack.length - 2, parallel),
            tensors: new Map(),
          },
        }),
    recompute: c.recompute ?? [],
    optimizer: c.optimizer ?? "adamw",
    compute: "fp32",
    contextLength: c.length,
    seed: 11,
    tensors: new Map(),
  };
}

/** The layout's course against the plain program's. */
export async function compare(c: Case, pool: Pool): Promise<Difference> {
  const lesson = lessonOf(c);
  return differenceOf(await plainCourse(lesson), await teamCourse(lesson, jobOf(c), pool));
}
