/**
 * The contract inside the planner: a candidate (everything decided) and what evaluating it gives.
 * `memory` and `time` evaluate; `search` proposes, bounds and chooses; `explain` says why.
 */
import type { EngineDescriptor } from "../catalog/types.js";
import type { Pipeline, Precision, Pricing, Stage } from "../checker/pipeline.js";
import type { Accelerator, Hardware, Instance } from "../hardware/types.js";
import type { ModelGraph } from "../model/graph.js";
import type { Bytes, Seconds } from "../units/index.js";
import type { MemoryItem, MemoryPlan, ParallelPlan, PhasePlan, RecomputeLayer, TimePlan } from "./plan.js";

export interface PlanOptions {
  readonly calibration?: CalibrationFile;
  /** Machine facts for `provider = local`, measured by `llmp doctor --calibrate` or defaults. */
  /** This machine, by the backend that the cluster names (undefined: the best there is). */
  readonly local?: LocalMachine | ((backend: string | undefined) => LocalMachine | undefined);
  /** Stop the search after so many evaluations (tests). */
  readonly limit?: number;
}

/** This machine, for our own runtime. Rates are FLOP/s and bytes/s. */
export interface LocalMachine {
  readonly backend: "tensorflow-gpu" | "tensorflow" | "webgpu" | "wasm" | "cpu";
  readonly cores: number;
  readonly memoryBytes: Bytes;
  /** Largest heap of the backend (WASM: 4 GiB − 64 KiB). */
  readonly heapBytes: Bytes;
  readonly matmulFlops: number;
  readonly elementwiseBandwidth: number;
  readonly kernelLaunchSeconds: Seconds;
  /** More measured constants of the local time model, by name. */
  readonly constants?: Readonly<Record<string, number>>;
  readonly calibrated: boolean;
}

/** Everything about a stage that does not change between candidates on one instance, engine and precision. */
export interface StageContext {
  readonly pipeline: Pipeline;
  readonly stage: Stage;
  readonly precision: Precision;
  readonly engine: EngineDescriptor;
  readonly hardware: Hardware;
  readonly instance: Instance;
  readonly accelerator: Accelerator;
  /** The trained model, and frozen ones beside it. */
  readonly policy: ModelGraph;
  readonly reference?: ModelGraph;
  readonly teacher?: ModelGraph;
  readonly calibration?: CalibrationFile;
  readonly local?: LocalMachine;
}

/** One fully decided layout of a stage. */
export interface Candidate {
  /** Instances. */
  readonly count: number;
  readonly pricing: Pricing;
  readonly contextLength: number;
  /** Sequences per optimizer step. */
  readonly globalBatch: number;
  readonly parallel: ParallelPlan;
  /** Per stack index. Length = policy.stack.length. */
  readonly recompute: readonly RecomputeLayer[];
  readonly offload: "none" | "activations" | "optimizer" | "both";
  /** Stack indices per model chunk (pipeline × virtual chunks, in order): chunk c lives on rank c mod pipeline. */
  readonly chunks: readonly { readonly rank: number; readonly first: number; readonly last: number }[];
}

/** Costs of one layer kind for one (tensor, sequence, context, expert, micro-batch, precision, seq): computed once and reused by the search. */
export interface LayerCost {
  readonly kind: string;
  readonly forwardSeconds: Seconds;
  /** Without recomputation. */
  readonly backwardSeconds: Seconds;
  /** Exposed communication inside the layer, forward and backward (tensor, context, expert axes). */
  readonly forwardCommSeconds: Seconds;
  readonly backwardCommSeconds: Seconds;
  /** Bytes of one micro-batch kept for backward without recomputation, per rank. */
  readonly savedBytes: Bytes;
  /** The layer's input alone (what `full` keeps). */
  readonly inputBytes: Bytes;
  /** Largest temporary of forward and of backward. */
  readonly forwardTemporaryBytes: Bytes;
  readonly backwardTemporaryBytes: Bytes;
  /** For checkpoint placement: each op with what dropping its saved outputs frees and what recomputing it costs. */
  readonly ops: readonly {
    readonly id: string;
    readonly module: string;
    readonly savedBytes: Bytes;
    readonly forwardSeconds: Seconds;
    readonly needs: readonly string[];
  }[];
  /** Parameters per rank after tensor and expert split: [trainable, frozen], in elements. */
  readonly parameters: readonly [trainable: number, frozen: number];
  /** Of those, elements that only the expert-data-parallel group shares. */
  readonly expertParameters: number;
}

export interface Evaluation {
  readonly fits: boolean;
  readonly peakBytes: Bytes;
  /** The largest peak that would fit the device beside what libraries and the allocator take. */
  readonly roomBytes?: Bytes;
  readonly stepSeconds: Seconds;
  /** Per pipeline rank: the search balances ranks and places recomputation by these. */
  readonly ranks?: readonly RankLoad[];
}

export interface RankLoad {
  readonly peakBytes: Bytes;
  /** Forward + backward + recomputation of one micro-batch over the rank's layers, without pipeline bubbles. */
  readonly microBatchSeconds: Seconds;
}

/** Layers of one kind on a rank that are treated alike. */
export interface HeldLayers extends Omit<RecomputeLayer, "layer"> {
  readonly kind: string;
  readonly count: number;
}

/** What one pipeline rank comes to with the layers that it holds. */
export interface RankFigures {
  readonly peakBytes: Bytes;
  /** Forward and backward of one micro-batch, recomputation included; the backward alone, without it. */
  readonly seconds: Seconds;
  readonly plain: Seconds;
  /** Of the seconds: recomputation. */
  readonly again: Seconds;
  /** Trainable elements; of them those that all replicas share, and those of experts. */
  readonly trainable: number;
  readonly dense: number;
  readonly expert: number;
}

/** Of all ranks: the slowest one's seconds and plain backward, sums of seconds and recomputation, the most of each other figure. */
export interface Extremes {
  readonly slowest: Seconds;
  readonly plain: Seconds;
  readonly sum: Seconds;
  readonly again: Seconds;
  readonly trainable: number;
  readonly dense: number;
  readonly expert: number;
}

/** A layout as the search for the best split of layers over ranks sees it. */
export interface SplitModel {
  /** No rank's peak may exceed it. */
  readonly roomBytes: Bytes;
  /** `first`, `last`: the rank holds the embedding, the head (not among `layers`). Less of any layer is never more. */
  readonly load: (rank: number, layers: readonly HeldLayers[], first: boolean, last: boolean) => RankFigures;
  /** Grows with all figures but `plain`, with which it falls. Agrees with evaluate(). */
  readonly stepSeconds: (of: Extremes) => Seconds;
}

/** Beyond these a bound need not be tight. */
export interface BoundLimits {
  /** What the plan may use of a device's memory. */
  readonly peakBytes: Bytes;
  /** From here on a bound need not be tight, nor know the memory. */
  readonly stepSeconds: Seconds;
}

/** Infinite seconds: no candidate fits within the memory of the limits. */
export interface Bound {
  readonly stepSeconds: Seconds;
  readonly peakBytes: Bytes;
}

/** Layouts that share degrees and micro-batch, and differ in sharding and schedule. */
export interface LayoutGroup {
  readonly count: number;
  readonly contextLength: number;
  readonly globalBatch: number;
  /** One of them. */
  readonly parallel: ParallelPlan;
  /** One list for all groups of a search with the same tensor, pipeline, context and data degrees. */
  readonly shards: readonly Pick<ParallelPlan, "shard" | "shard_group">[];
  readonly schedules: readonly Pick<ParallelPlan, "schedule" | "virtual">[];
}

/** Implemented by memory/ and time/ (PHYSICS), used by search/ (SEARCH). */
export interface CostModel {
  readonly layerCost: (
    context: StageContext,
    kind: string,
    candidate: Pick<Candidate, "parallel" | "contextLength">,
  ) => LayerCost;
  /** Fast: arithmetic on cached layer costs, no timeline. Must agree with memoryPlan().peak_bytes and timePlan().step_seconds. */
  readonly evaluate: (context: StageContext, candidate: Candidate) => Evaluation;
  /** Absent, or undefined: layers are split evenly by time, and other splits are not tried. */
  readonly splitting?: (
    context: StageContext,
    of: Pick<Candidate, "count" | "contextLength" | "parallel" | "offload">,
  ) => SplitModel | undefined;
  /** Never above evaluate().stepSeconds / peakBytes of any candidate with this layout, whatever its recompute and chunks. */
  readonly lowerBound: (
    context: StageContext,
    partial: Pick<Candidate, "count" | "contextLength" | "globalBatch" | "parallel">,
    limits?: BoundLimits,
  ) => Bound;
  /** Never above lowerBound of any layout of the group. Absent: groups are not bounded, only their layouts. */
  readonly groupBound?: (context: StageContext, group: LayoutGroup, limits: BoundLimits) => Bound;
  readonly memoryPlan: (context: StageContext, candidate: Candidate) => MemoryPlan;
  readonly timePlan: (context: StageContext, candidate: Candidate) => Omit<TimePlan, "total_seconds" | "goodput">;
  /** What the objective does in a step, where it is more than one thing. */
  readonly phasesPlan?: (context: StageContext, candidate: Candidate) => readonly PhasePlan[] | undefined;
}

/** What `llmp calibrate` writes: factors and residuals per stack. */
export interface CalibrationFile {
  readonly schema: "llmp.calibration/1";
  readonly fittedOn: string;
  readonly stacks: readonly {
    readonly engine: string;
    readonly accelerator: string;
    /** Multiplies predicted step seconds. */
    readonly timeFactor: number;
    readonly memoryOffsetBytes: Bytes;
    readonly memoryFactor: number;
    /** Relative residuals (predicted over measured − 1) from which intervals are drawn. */
    readonly timeResiduals: readonly number[];
    readonly memoryResiduals: readonly number[];
    readonly rows: number;
  }[];
}

export type { MemoryItem };
