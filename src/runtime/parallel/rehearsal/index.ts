/**
 * A rehearsal: any cluster's plan, shrunk to workers of this machine, axis by axis and then as a whole. The layout must
 * compute what the plain program computes, and every weight must lie where the plan says.
 */
import type { Stage } from "../../../checker/pipeline.js";
import { runCodes } from "../../../diagnostics/index.js";
import { evenChunks } from "../../../planner/layout/index.js";
import { oneDevice, type ParallelPlan, type Plan, type StagePlan } from "../../../planner/plan.js";
import {
  isComputed,
  isOptimizer,
  layoutRefusal,
  type OptimizerKind,
  objectivePrograms,
} from "../../../program/index.js";
import { worldSize } from "../../collectives/index.js";
import { fail } from "../../failure.js";
import type { TeamJob } from "../job.js";
import { Pool } from "../team.js";
import { misplaced } from "./placements.js";
import { type Shrunk, shrink } from "./shrink.js";
import { type Difference, differenceOf, type Lesson, plainCourse, teamCourse } from "./steps.js";

export { livelier, type Shrunk, shrink, shrinkParallel } from "./shrink.js";
export { type Course, type Difference, differenceOf, type Lesson, plainCourse, teamCourse } from "./steps.js";

/** Largest relative difference of fp32 losses and weights that counts as the same. */
export const tolerance = 1e-5;

export interface RehearsedAxis extends Difference {
  /** `tensor`, `pipeline`… or `all`. */
  readonly axis: string;
  /** As the plan has it, and as it was rehearsed. */
  readonly planned: string;
  readonly here: string;
  readonly workers: number;
  readonly same: boolean;
}

export interface Rehearsal {
  readonly stage: string;
  readonly layers: number;
  readonly axes: readonly RehearsedAxis[];
  /** Losses by step. */
  readonly plain: readonly number[];
  readonly layout: readonly number[];
  readonly difference: Difference;
  /** Weights that do not lie where the plan says. */
  readonly misplaced: readonly string[];
  readonly same: boolean;
  /** Parts of the plan that a rehearsal does not show. */
  readonly left: readonly string[];
}

export interface RehearsalOptions {
  readonly workerFile?: string;
  readonly onAxis?: (stage: string, axis: RehearsedAxis) => void;
}

/** How a sequence is cut into micro-batches stays as it is shrunk. */
const { micro_batch: _micro, accumulation: _steps, ...alone } = oneDevice;

interface Variant {
  readonly axis: string;
  readonly planned: (p: ParallelPlan) => string;
  /** What it takes from the shrunk layout; undefined: the plan has no such axis. */
  readonly of: (p: ParallelPlan) => Partial<ParallelPlan> | undefined;
}

const words = (...parts: readonly (string | false)[]): string => parts.filter((p) => p !== false).join(" ");
const variants: readonly Variant[] = [
  {
    axis: "tensor",
    planned: (p) => words(String(p.tensor), p.sequence && "with sequence"),
    of: ({ tensor, sequence }) => (tensor > 1 ? { tensor, sequence } : undefined),
  },
  {
    axis: "pipeline",
    planned: (p) => words(String(p.pipeline), p.virtual > 1 && `× ${p.virtual}`, p.schedule),
    of: ({ pipeline, virtual, schedule }) => (pipeline > 1 ? { pipeline, virtual, schedule } : undefined),
  },
  {
    axis: "context",
    planned: (p) => String(p.context),
    of: ({ context }) => (context > 1 ? { context } : undefined),
  },
  {
    axis: "expert",
    planned: (p) => String(p.expert),
    of: ({ expert, data, context }) => (expert > 1 ? { expert, data, context } : undefined),
  },
  {
    axis: "data",
    planned: (p) => words(String(p.data), p.shard !== "none" && p.shard),
    of: ({ data, context, shard, shard_group }) =>
      data * context > 1 ? { data, context, shard, shard_group } : undefined,
  },
];

export async function rehearse(plan: Plan, options: RehearsalOptions = {}): Promise<readonly Rehearsal[]> {
  const rehearsals: Rehearsal[] = [];
  for (const stage of plan.stages) rehearsals.push(await rehearseStage(plan, stage, options));
  return rehearsals;
}

async function rehearseStage(plan: Plan, planned: StagePlan, options: RehearsalOptions): Promise<Rehearsal> {
  const stage = plan.pipeline.stages.find((s) => s.name === planned.name)!;
  const small = shrink(plan.pipeline, stage, planned);
  const graphs = [small.graph, ...(small.beside === undefined ? [] : [small.beside.graph])];
  for (const kind of graphs.flatMap((g) => Object.values(g.kinds)))
    for (const op of kind.ops)
      if (!isComputed(op))
        fail(
          runCodes.report("LLMP6003", stage.span, {
            stage: stage.name,
            why: `the model has ${op.kind} (${op.id}), which is not computed here`,
          }),
        );
  const { parallel } = small;
  const named = stage.optimizer.value.kind;
  const refused = layoutRefusal(named, false, small.graph, parallel) !== undefined;
  const optimizer: OptimizerKind = isOptimizer(named) && !refused ? named : "adamw";
  const sequences = parallel.data * parallel.micro_batch * parallel.accumulation;
  const lesson: Lesson = {
    graph: small.graph,
    optimizer,
    objective: { kind: stage.objective.kind, options: rehearsedOptions(stage) },
    ...(small.beside === undefined ? {} : { beside: small.beside }),
    sequences,
    microBatch: parallel.micro_batch,
    length: small.contextLength,
    steps: 5,
    packed: stage.packing.value,
    seed: stage.seed.value,
  };
  const plain = await plainCourse(lesson);
  const pool = await Pool.start(
    worldSize(parallel),
    options.workerFile === undefined ? {} : { file: options.workerFile },
  );
  try {
    const axes: RehearsedAxis[] = [];
    const run = async (axis: string, words: readonly [string, string], layout: ParallelPlan, recompute: boolean) => {
      const course = await teamCourse(lesson, jobOf(small, lesson, layout, recompute), pool);
      const difference = differenceOf(plain, course);
      const same = difference.loss <= tolerance && difference.weights <= tolerance;
      const row = { axis, planned: words[0], here: words[1], workers: worldSize(layout), same, ...difference };
      axes.push(row);
      options.onAxis?.(stage.name, row);
      return course;
    };
    for (const { axis, planned: say, of } of variants) {
      const own = of(parallel);
      if (own === undefined) continue;
      const layout = { ...parallel, ...alone, ...own };
      await run(axis, [say(planned.parallel), say(parallel)], withRows(layout, sequences), false);
    }
    if (planned.recompute.summary !== "none") {
      const words = [planned.recompute.summary, planned.recompute.summary] as const;
      await run("recompute", words, withRows({ ...parallel, ...alone }, sequences), true);
    }
    const course = await run("all", [ranks(planned.parallel), ranks(parallel)], parallel, true);
    const wrong = misplaced(planned, parallel, course.placements);
    return {
      stage: stage.name,
      layers: small.graph.stack.length - 2,
      axes,
      plain: plain.losses,
      layout: course.losses,
      difference: differenceOf(plain, course),
      misplaced: wrong,
      same: axes.every((a) => a.same) && wrong.length === 0,
      left: leftOut(planned, stage, optimizer),
    };
  } finally {
    await pool.end();
  }
}

const ranks = (p: ParallelPlan): string => (worldSize(p) === 1 ? "1 rank" : `${worldSize(p)} ranks`);

const withRows = (p: ParallelPlan, sequences: number): ParallelPlan => ({
  ...p,
  accumulation: sequences / (p.data * p.micro_batch),
});

function jobOf(small: Shrunk, lesson: Lesson, parallel: ParallelPlan, recompute: boolean): TeamJob {
  const chunks = parallel.pipeline > 1 ? small.chunks : [{ rank: 0, first: 0, last: small.graph.stack.length - 1 }];
  return {
    graph: small.graph,
    parallel,
    chunks,
    recompute: recompute ? small.recompute : [],
    optimizer: lesson.optimizer,
    objective: lesson.objective,
    ...(small.beside === undefined ? {} : { beside: besideJob(small.beside, parallel, chunks) }),
    compute: "fp32",
    contextLength: lesson.length,
    seed: lesson.seed,
    tensors: new Map(),
  };
}

/** One that shares weights has them where the trained one does. */
const besideJob = (
  { graph, shares }: NonNullable<Shrunk["beside"]>,
  parallel: ParallelPlan,
  chunks: TeamJob["chunks"],
): NonNullable<TeamJob["beside"]> => ({
  graph,
  shares,
  chunks: shares ? chunks : evenChunks(graph.stack.length - 2, parallel),
  tensors: new Map(),
});

/** A rehearsed group has two answers, of a few tokens. */
function rehearsedOptions({ objective: { kind, options } }: Stage): Stage["objective"]["options"] {
  if (objectivePrograms[kind]?.samples !== true) return options;
  const { groupSize } = options;
  return groupSize === undefined ? options : { ...options, groupSize: { ...groupSize, value: 2 } };
}

/** What a rehearsal in fp32, on random text, cannot show. */
function leftOut(planned: StagePlan, { objective, optimizer: asked }: Stage, optimizer: string): readonly string[] {
  const left = ["numbers are fp32, whatever the plan's precision: the layout is compared, not the rounding"];
  if (objectivePrograms[objective.kind]?.samples === true)
    left.push("each prompt has two answers of a few tokens, judged by their letters: the file's rewards are not asked");
  if (asked.value.kind !== optimizer) left.push(`the optimizer is AdamW, not ${asked.value.kind}`);
  if (planned.offload !== "none") left.push(`offload of ${planned.offload} is not rehearsed`);
  if (planned.parallel.context > 1)
    left.push("the context axis gives each rank one run of tokens; engines give it two, for balance");
  if (["zero_bubble", "dualpipe"].includes(planned.parallel.schedule))
    left.push("weight gradients are computed with those of the inputs, in the schedule's order of backwards");
  return left;
}
