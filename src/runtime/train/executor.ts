/** What a stage trains with, and where its steps are computed: in this thread (here.ts), or on workers (../parallel). */
import type { Precision, Stage } from "../../checker/pipeline.js";
import type { ModelGraph } from "../../model/graph.js";
import type { StagePlan } from "../../planner/plan.js";
import type { ObjectiveBatch, Update } from "../../program/index.js";
import type { Backend } from "../backend/index.js";
import type { Batch, BatchSource, CheckpointStore, NamedTensor, WeightStore } from "../interfaces.js";
import type { RunSummary } from "../types.js";
import type { Asked } from "./generate.js";

export interface StageInput {
  readonly graph: ModelGraph;
  readonly stage: Stage;
  readonly plan: Pick<
    StagePlan,
    "name" | "steps" | "context_length" | "global_batch" | "parallel" | "layout" | "recompute" | "memory" | "time"
  >;
  readonly precision: Pick<Precision, "compute" | "lossScale"> & Partial<Pick<Precision, "recipe">>;
  /** What computes, in this thread or in each worker. */
  readonly backend: Pick<Backend, "name">;
  readonly source: BatchSource;
  /** Weights to start from; undefined: initialised from the seed. */
  readonly weights?: WeightStore;
  /** The frozen model beside this one: its weights, unless given, are those that this stage starts with. */
  readonly other?: { readonly graph: ModelGraph; readonly weights?: WeightStore };
  /** Turns prompts into sampled and judged answers, where the objective wants them. */
  readonly rollOut?: RollOut;
  /** Where steps are computed; in this thread unless given. */
  readonly open?: OpenExecutor;
  readonly checkpoints?: CheckpointStore;
  readonly resume: boolean;
  readonly steps?: number;
  readonly stop?: AbortSignal;
}

/** Answers from the policy as it is now, wherever it is. */
export type Generate = (asked: Asked) => Promise<readonly (readonly number[])[]>;

/** Samples from the policy: rows to learn from, and figures of them. */
export type RollOut = (
  generate: Generate,
  prompts: Batch,
  step: number,
) => Promise<{
  readonly batch: Batch & ObjectiveBatch;
  readonly figures: Readonly<Record<string, number>>;
  /** Something that a person should know, told once. */
  readonly warning?: string;
}>;

export type StageSummary = RunSummary["stages"][number];

export interface Sweep {
  /** Summed loss of each row. */
  readonly losses: Float64Array;
  /** More figures of the objective, summed over the batch. */
  readonly sums: ReadonlyMap<string, number>;
  /** Of the targets, where the objective looks at them. */
  readonly logProbs?: Float32Array;
}

export interface Executor {
  readonly generate: Generate;
  /** Forward and backward of all micro-batches; gradients of scale · Σ loss add up. */
  run(batch: Batch & ObjectiveBatch, scale: number): Promise<Sweep>;
  /** Gives the gradient's norm; where that is not finite nothing was updated. */
  update(update: Update): Promise<number>;
  /** Summed loss of a batch that is not learned from, by the objective of that name, and what it is divided by. */
  evaluate(batch: Batch, objective: string): Promise<{ readonly loss: number; readonly total: number }>;
  /** Whole weights, `weight/…`, and (all) optimizer state, `m/…` and `v/…`. */
  tensors(which: "weights" | "all"): Promise<readonly NamedTensor[]>;
  /** Starts a new peak. */
  begin(): void;
  /** Bytes of tensors at the peak, of the fullest worker. */
  peak(): number;
  close(): Promise<void>;
}

/** @param start whole tensors to start from, named as `tensors` gives them; weights that are missing start from the seed */
export type OpenExecutor = (input: StageInput, start: ReadonlyMap<string, Float32Array>) => Promise<Executor>;

/** Rows `first`… of a batch. */
export function slice(b: Batch & ObjectiveBatch, first: number, sequences: number): ObjectiveBatch {
  return rowsOf(b, sequences, (x, width) => x.subarray(first * width, (first + sequences) * width) as typeof x);
}

/** Rows of a batch as `cut` takes them out of each of its tables, whose rows are so wide. */
export function rowsOf(
  b: ObjectiveBatch,
  sequences: number,
  cut: <A extends Int32Array | Float32Array>(table: A, width: number) => A,
): ObjectiveBatch {
  const { length } = b;
  return {
    sequences,
    length,
    tokens: cut(b.tokens, length),
    targets: cut(b.targets, length),
    weights: cut(b.weights, length),
    ...(b.segments === undefined ? {} : { segments: cut(b.segments, length) }),
    ...(b.positions === undefined ? {} : { positions: cut(b.positions, length) }),
    ...(b.noise === undefined ? {} : { noise: { ...b.noise, rows: cut(b.noise.rows, length) } }),
    ...(b.advantages === undefined ? {} : { advantages: cut(b.advantages, 1) }),
    ...(b.oldLogProbs === undefined ? {} : { oldLogProbs: cut(b.oldLogProbs, length) }),
  };
}
