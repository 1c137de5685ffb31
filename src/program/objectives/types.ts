import type { Objective, Stage } from "../../checker/pipeline.js";
import type { RecomputeLayer } from "../../planner/plan.js";
import type { Algebra } from "../algebra.js";
import type { ModelState } from "../model.js";
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

/** How an objective computes one micro-batch: the runtime runs it, the planner plays it on shapes. */
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
  /** Its loss is the next token's alone, so that every layout can compute it. */
  readonly anyLayout?: boolean;
  /** The model may be trained with dropout. Others compare passes over it, which would have to drop the same. */
  readonly dropout?: boolean;
  micro<T>(run: MicroRun<T>): MicroResult;
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
