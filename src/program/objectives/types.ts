import type { Objective, Stage } from "../../checker/pipeline.js";
import type { RecomputeLayer } from "../../planner/plan.js";
import type { Algebra } from "../algebra.js";
import type { Head } from "../head.js";
import type { MicroBatch, ModelState } from "../model.js";
import type { OpContext } from "../ops/index.js";
import type { HostBatch } from "../step.js";

export type ObjectiveOptions = Objective["options"];

export interface ObjectiveBatch extends HostBatch {
  /** GRPO: of each row. */
  readonly advantages?: Float32Array;
  /** GRPO after the first update on the same samples: log-probabilities of the targets under the policy that sampled. */
  readonly oldLogProbs?: Float32Array;
}

/** One micro-batch of an objective. */
export interface MicroRun<T> {
  readonly algebra: Algebra<T>;
  readonly policy: ModelState<T>;
  /** The frozen model that the objective's `role` names. */
  readonly other: ModelState<T> | undefined;
  readonly batch: ObjectiveBatch;
  readonly recompute: readonly RecomputeLayer[];
  /** The loss that is differentiated is this times the sum of `losses`; undefined: only evaluate. */
  readonly scale: number | undefined;
  readonly options: ObjectiveOptions;
}

export interface MicroResult {
  /** Each position's part of the loss; its sum over the batch by `total` is the loss. */
  readonly losses: Float32Array;
  /** More figures, likewise to be added up and divided by `total`. */
  readonly sums?: Readonly<Record<string, number>>;
  /** Of the targets, where the objective looks at them. */
  readonly logProbs?: Float32Array;
}

/** A model's pass at the foot of its head: what is left to compute is the loss. */
export interface Ending<T> {
  readonly context: OpContext<T>;
  readonly head: Head;
  /** [tokens, hidden], owned by whoever gets it. */
  readonly hidden: T;
  readonly there: MicroBatch<T>;
  readonly vocab: number;
}

/** What is left of the frozen model's pass while the trained one's runs. */
export interface Guide<T> {
  /** Of the targets. */
  readonly logProbs?: Float32Array;
  readonly ending?: Ending<T>;
}

export interface LossRun<T> extends Ending<T> {
  readonly guide: Guide<T> | undefined;
  /** The tokens of `there`, in host memory. */
  readonly batch: ObjectiveBatch;
  readonly scale: number | undefined;
  readonly options: ObjectiveOptions;
}

export interface LossResult<T> extends MicroResult {
  /** Gradient of `hidden`; undefined where there is no scale. */
  readonly dx: T | undefined;
}

/**
 * How an objective computes one micro-batch. It sees the ends of passes only, so that every layout computes it: `runMicro`
 * does on one device, a rank of a mesh (parallel/rank.ts) on several, and the planner plays both on shapes.
 */
export interface ObjectiveProgram {
  /** Rows of tokens for each sequence of the plan's batch. */
  readonly rows: (options: ObjectiveOptions) => number;
  /** A frozen model beside the trained one. */
  readonly role: (options: ObjectiveOptions) => "reference" | "teacher" | undefined;
  /** What the sum of losses over a whole batch is divided by. */
  readonly total: (batch: HostBatch) => number;
  /** What is measured on held-out data: the loss of the objective, or of the next token, where rows are text. */
  readonly heldOut: "own" | "next token" | "none";
  /** Rows are sampled from the policy before they are learned from. */
  readonly samples?: boolean;
  /** The balance of experts is part of the loss. */
  readonly balances?: boolean;
  /** The model may be trained with dropout. Others compare passes over it, which would have to drop the same. */
  readonly dropout?: boolean;
  /** Takes ownership of the ending's `hidden`. */
  readonly guide?: <T>(ending: Ending<T>, batch: ObjectiveBatch, options: ObjectiveOptions) => Guide<T>;
  /** Takes ownership of `hidden` and of the guide. */
  loss<T>(run: LossRun<T>): LossResult<T>;
}

export const numberOf = (options: ObjectiveOptions, name: string, otherwise: number): number => {
  const value = options[name]?.value;
  return typeof value === "number" ? value : otherwise;
};
export const weightSum = (batch: HostBatch): number =>
  Math.max(
    1,
    batch.weights.reduce((a, b) => a + b, 0),
  );

/** An adapter's reference is the model below it: it needs no weights of its own. */
export const sharesWeights = (stage: Pick<Stage, "adapter" | "objective">): boolean =>
  stage.adapter !== undefined &&
  stage.objective.options.reference === undefined &&
  stage.objective.options.teacher === undefined;
