/** What the main thread and the workers tell each other. */
import type { Diagnostic } from "../../diagnostics/index.js";
import type { ModelGraph } from "../../model/graph.js";
import type { LayoutPlan, ParallelPlan, RecomputeLayer } from "../../planner/plan.js";
import type {
  ObjectiveBatch,
  ObjectiveOptions,
  OptimizerKind,
  RankResult,
  RankTask,
  Section,
  Update,
} from "../../program/index.js";
import type { Asked } from "../train/generate.js";

/** The same for every rank of a team. */
export interface TeamJob {
  readonly graph: ModelGraph;
  readonly parallel: ParallelPlan;
  readonly chunks: LayoutPlan["chunks"];
  readonly recompute: readonly RecomputeLayer[];
  readonly optimizer: OptimizerKind;
  readonly objective: { readonly kind: string; readonly options: ObjectiveOptions };
  /** Reference or teacher; its tensors are by `weight/…`. */
  readonly beside?: {
    readonly graph: ModelGraph;
    readonly chunks: LayoutPlan["chunks"];
    readonly shares: boolean;
    readonly tensors: ReadonlyMap<string, Float32Array>;
  };
  /** Compute dtype, and the recipe of fp8. */
  readonly compute: string;
  readonly recipe?: string;
  readonly contextLength: number;
  readonly seed: number;
  /** Whole tensors to start from, by `weight/…`, `m/…`, `v/…`, in shared memory; weights that are not here start from the seed. */
  readonly tensors: ReadonlyMap<string, Float32Array>;
}

export type Ask =
  /** To the first workers of the pool, as many as the job has ranks. */
  | { readonly kind: "open"; readonly job: TeamJob }
  | {
      readonly kind: "run";
      readonly micro: readonly ObjectiveBatch[];
      readonly tasks: readonly RankTask[];
      readonly scale: number | undefined;
      /** Of the job, unless given. */
      readonly objective?: string;
    }
  /** Answers to some prompts; with the whole weights where the rank does not have them. */
  | {
      readonly kind: "generate";
      readonly asked: Asked;
      readonly weights: ReadonlyMap<string, Float32Array> | undefined;
    }
  | { readonly kind: "update"; readonly update: Update }
  | { readonly kind: "state"; readonly sections: readonly Section[] }
  /** Frees the job's tensors. */
  | { readonly kind: "close" }
  | { readonly kind: "end" };

/** Where a rank put a weight. */
export interface Placement {
  readonly name: string;
  /** The name with its holes. */
  readonly pattern: string;
  /** Dimension that the tensor axis splits. */
  readonly tensor: number | undefined;
  /** Ranks over which its rows are spread between steps. */
  readonly shards: number;
}

export interface StatePart {
  readonly section: Section;
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

export type Reply =
  | { readonly kind: "ready" }
  | {
      readonly kind: "open";
      readonly placements: readonly Placement[];
      /** The rank has the whole model. */
      readonly whole: boolean;
    }
  | { readonly kind: "close" }
  /** Of each micro-batch. */
  | { readonly kind: "run"; readonly results: readonly RankResult[]; readonly peak: number }
  /** Tokens of each answer, in the order of the rows that were asked. */
  | { readonly kind: "generate"; readonly answers: readonly (readonly number[])[]; readonly peak: number }
  | { readonly kind: "update"; readonly norm: number; readonly peak: number; readonly sentBytes: number }
  | { readonly kind: "state"; readonly parts: readonly StatePart[] }
  | { readonly kind: "failed"; readonly diagnostic: Diagnostic };
