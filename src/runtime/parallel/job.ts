/** What the main thread and the workers tell each other. */
import type { Diagnostic } from "../../diagnostics/index.js";
import type { ModelGraph } from "../../model/graph.js";
import type { LayoutPlan, ParallelPlan, RecomputeLayer } from "../../planner/plan.js";
import type { HostBatch, RankTask, Section, Update } from "../../program/index.js";

/** The same for every rank of a team. */
export interface TeamJob {
  readonly graph: ModelGraph;
  readonly parallel: ParallelPlan;
  readonly chunks: LayoutPlan["chunks"];
  readonly recompute: readonly RecomputeLayer[];
  readonly optimizer: "adamw" | "sgd";
  /** Compute dtype. */
  readonly compute: string;
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
      readonly micro: readonly HostBatch[];
      readonly tasks: readonly RankTask[];
      readonly scale: number | undefined;
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
  | { readonly kind: "open"; readonly placements: readonly Placement[] }
  | { readonly kind: "close" }
  /** Loss of each row of each micro-batch. */
  | { readonly kind: "run"; readonly losses: readonly Float64Array[]; readonly peak: number }
  | { readonly kind: "update"; readonly norm: number; readonly peak: number; readonly sentBytes: number }
  | { readonly kind: "state"; readonly parts: readonly StatePart[] }
  | { readonly kind: "failed"; readonly diagnostic: Diagnostic };
