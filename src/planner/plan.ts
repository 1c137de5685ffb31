/**
 * A plan: everything decided and predicted for a pipeline. A file format (`plan.json`): versioned, deterministic bytes
 * for the same input, no absolute paths, no clock. JSON keys are snake_case since scripts rely on them (DESIGN section 7).
 */
import type { Pipeline, Recompute, ScheduleKind, Shard, SourceHash } from "../checker/pipeline.js";
import type { Bytes, Flops, Ratio, Seconds, Usd } from "../units/index.js";

export const planSchema = "llmp.plan/1.0";

export type PlanOutcome = "ok" | "errors" | "infeasible" | "over_budget";

export interface Plan {
  readonly schema: typeof planSchema;
  readonly outcome: PlanOutcome;
  /** Path of the root file as given. */
  readonly source: string;
  readonly sources: readonly SourceHash[];
  /** sha256 of the plan's canonical JSON without this field. */
  readonly hash: string;
  /** The checked pipeline that was planned: `llmp run PLAN` needs nothing else but data and weights. */
  readonly pipeline: Pipeline;
  readonly stages: readonly StagePlan[];
  readonly totals: { readonly seconds: Seconds; readonly usd: Usd | null; readonly interval: TotalsInterval };
  /** What would make an infeasible or over-budget pipeline acceptable, nearest first. */
  readonly relaxations: readonly Relaxation[];
  readonly warnings: readonly string[];
}

export interface TotalsInterval {
  readonly seconds: ConfidenceInterval;
  readonly usd: ConfidenceInterval | null;
}

/** Both ends of the stated confidence interval (80%). */
export type ConfidenceInterval = readonly [low: number, high: number];

export interface StagePlan {
  readonly name: string;
  readonly model: {
    readonly name: string;
    readonly parameters: number;
    readonly active_parameters: number;
    readonly trainable_parameters: number;
    /** Training FLOPs per token (forward + backward, without recomputation). */
    readonly flops_per_token: Flops;
  };
  readonly objective: string;
  readonly engine: string;
  readonly precision: string;
  readonly cluster: {
    readonly name: string;
    readonly provider: string;
    readonly instance: string;
    readonly count: number;
    readonly accelerator: string;
    /** Devices in all. */
    readonly accelerators: number;
  };
  readonly context_length: number;
  readonly global_batch: number;
  readonly steps: number;
  readonly tokens: number;
  readonly parallel: ParallelPlan;
  readonly recompute: RecomputePlan;
  readonly offload: "none" | "activations" | "optimizer" | "both";
  readonly layout: LayoutPlan;
  readonly memory: MemoryPlan;
  readonly time: TimePlan;
  /** Absent where the stage only trains one model. */
  readonly phases?: readonly PhasePlan[];
  readonly cost: CostPlan;
  readonly interval: {
    /** Stated confidence, 0.8. */
    readonly confidence: Ratio;
    readonly step_seconds: ConfidenceInterval;
    readonly peak_bytes: ConfidenceInterval;
    readonly total_seconds: ConfidenceInterval;
    readonly usd: ConfidenceInterval | null;
    /** What the interval was drawn from: "residuals of 95 runs of llm-foundry on H100". */
    readonly basis: string;
  };
  readonly search: SearchReport;
  readonly decisions: readonly DecisionRecord[];
  readonly alternatives: readonly Alternative[];
  readonly pareto: readonly ParetoPoint[];
}

export interface ParallelPlan {
  readonly data: number;
  readonly shard: Shard;
  /** Ranks that share one copy of the weights (zero3: data × context; hsdp: the group; else 1). */
  readonly shard_group: number;
  readonly tensor: number;
  readonly sequence: boolean;
  readonly pipeline: number;
  readonly virtual: number;
  readonly context: number;
  readonly expert: number;
  readonly micro_batch: number;
  readonly accumulation: number;
  readonly schedule: ScheduleKind;
}

export interface RecomputePlan {
  /** One word for people: none, full, selective, mixed. */
  readonly summary: string;
  /** Per stack index (0 = embedding … last = head): ops whose outputs are dropped after forward and recomputed. */
  readonly layers: readonly RecomputeLayer[];
  readonly requested: Recompute | "auto";
}

export interface RecomputeLayer {
  readonly layer: number;
  /** `full`: only the layer's input is kept. */
  readonly mode: "none" | "full" | "ops";
  readonly ops: readonly string[];
  /** Saved tensors moved to host memory instead. */
  readonly offload: readonly string[];
}

/** A layout of one device, a sequence at a time. */
export const oneDevice: ParallelPlan = {
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

export interface LayoutPlan {
  /** Mesh axes from the slowest link to the fastest, with degrees above 1. */
  readonly mesh: readonly { readonly axis: string; readonly size: number; readonly link: string }[];
  /** Stack indices of each model chunk: chunk c lives on pipeline rank c mod pipeline. */
  readonly chunks: readonly { readonly rank: number; readonly first: number; readonly last: number }[];
  /** Placement of each weight, by layer kind. */
  readonly tensors: readonly {
    readonly kind: string;
    readonly name: string;
    readonly shape: readonly number[];
    /** Per mesh axis: `replicate` or `shard(dim)`. */
    readonly placement: Readonly<Record<string, string>>;
    readonly bytes_per_rank: Bytes;
  }[];
  /** Axes over which gradients and optimizer states are sharded beyond their weights. */
  readonly states?: { readonly gradients: readonly string[]; readonly optimizer: readonly string[] };
}

export interface MemoryPlan {
  /** Worst rank, what the allocator hands out (PyTorch: max_memory_allocated). */
  readonly peak_bytes: Bytes;
  readonly reserved_bytes: Bytes;
  /** What the driver's tool shows: reserved + context + communication library. */
  readonly driver_bytes: Bytes;
  readonly capacity_bytes: Bytes;
  readonly fits: boolean;
  readonly host_bytes: Bytes;
  readonly disk_bytes: Bytes;
  /** Where and when: "stage 0, backward of micro-batch 3, layer 7's MLP". Layers are numbered as in weights' names, from 0. */
  readonly peak_at: string;
  readonly peak?: PeakPlace;
  readonly breakdown: readonly MemoryItem[];
  /** One per pipeline rank. */
  readonly ranks: readonly {
    readonly rank: number;
    readonly peak_bytes: Bytes;
    readonly breakdown: readonly MemoryItem[];
    /** Bytes over a step, as in `timeline` but without names. */
    readonly timeline?: readonly { readonly seconds: Seconds; readonly bytes: Bytes }[];
  }[];
  /** Bytes over a step on the worst rank; `seconds` from the start of the step. */
  readonly timeline: readonly {
    readonly seconds: Seconds;
    readonly bytes: Bytes;
    readonly label: string;
    readonly items: readonly MemoryItem[];
  }[];
}

export interface PeakPlace {
  /** Pipeline rank. */
  readonly stage: number;
  /** Of the objective: `update`, `rollout.decode`, `reference`… */
  readonly phase: string;
  readonly moment: "backward" | "loss" | "optimizer" | "phase";
  /** From 1. */
  readonly micro_batch?: number;
  readonly layer?: number;
  readonly module?: "attention" | "MLP" | "experts" | "head" | "embedding";
}

/** What an objective does in each step, in order; one entry where it only trains. */
export interface PhasePlan {
  /** `rollout.prefill`, `rollout.decode`, `reward`, `old_log_probs`, `reference`, `teacher`, `update`. */
  readonly phase: string;
  readonly role: "policy" | "reference" | "teacher" | "rollout";
  /** Of all ranks together. */
  readonly sequences: number;
  readonly tokens: number;
  readonly flops: Flops;
  readonly seconds: Seconds;
  /** Portions that the answers of a step are generated in. */
  readonly portions?: number;
  /** Key/value caches of one rank at the end of the phase. */
  readonly cache_bytes?: Bytes;
  /** Of the worst rank in this phase; 0: no device works. */
  readonly peak_bytes: Bytes;
  readonly breakdown: readonly MemoryItem[];
}

export interface MemoryItem {
  readonly what: string;
  readonly bytes: Bytes;
}

export interface TimePlan {
  readonly step_seconds: Seconds;
  readonly tokens_per_second: number;
  readonly tokens_per_second_per_device: number;
  readonly mfu: Ratio;
  /** Calendar time of the stage with saves, failures, restarts. */
  readonly total_seconds: Seconds;
  /** Productive share of calendar time. */
  readonly goodput: Ratio;
  readonly breakdown: readonly { readonly what: string; readonly seconds: Seconds }[];
  /** Simulated pipeline schedule of one step: one entry per task. Empty without a pipeline. */
  readonly schedule: readonly {
    readonly rank: number;
    readonly kind: "forward" | "backward" | "weight" | "communicate" | "optimizer";
    readonly micro_batch: number;
    readonly chunk: number;
    readonly start: Seconds;
    readonly end: Seconds;
  }[];
}

/** Ends a `price_source` where SageMaker's own price is not known. */
export const standInPrice = "EC2's price stands in for SageMaker's";

export interface CostPlan {
  /** Whole stage; null where a price is unknown. */
  readonly usd: Usd | null;
  readonly pricing: string;
  readonly usd_per_hour: Usd | null;
  readonly price_source: string;
  readonly price_date: string;
  readonly breakdown: readonly { readonly what: string; readonly usd: Usd }[];
}

export interface SearchReport {
  readonly considered: number;
  readonly evaluated: number;
  readonly pruned: number;
  /** Reasons and counts of what was pruned. */
  readonly reasons: readonly { readonly why: string; readonly count: number }[];
  /** Left out of `hash`: the clock is not part of the plan. */
  readonly seconds: Seconds;
  readonly optimal: boolean;
  readonly proof: string;
}

/** Why something is as it is. Terminal page, `--why`, inlay hints, hover and the HTML report render these. */
export interface DecisionRecord {
  /** `parallel.tensor`, `cluster.count`, `recompute`… */
  readonly what: string;
  readonly chose: string;
  readonly over: readonly string[];
  readonly because: string;
  readonly figures: readonly { readonly name: string; readonly value: string }[];
  /** Where in the file it was left open or fixed. */
  readonly fixed: boolean;
}

export interface Alternative {
  readonly label: string;
  readonly instance: string;
  readonly count: number;
  readonly pricing: string;
  readonly parallel: ParallelPlan;
  readonly recompute: string;
  readonly step_seconds: Seconds;
  readonly total_seconds: Seconds;
  readonly usd: Usd | null;
  readonly peak_bytes: Bytes;
}

export interface ParetoPoint extends Alternative {
  readonly chosen: boolean;
}

/** The nearest pipeline that would be accepted. */
export interface Relaxation {
  readonly stage: string;
  readonly change: string;
  /** To paste: `--set p5.count=16`. */
  readonly flag?: string;
  readonly figures: readonly { readonly name: string; readonly value: string }[];
}
