/**
 * A checked file: every name resolved, every quantity in SI or plain counts, every default filled in, no sugar.
 * Plain, immutable, JSON-serialisable. Every field knows where its value came from.
 */
import type { Span } from "../text/index.js";
import type { Bytes, Ratio, Seconds, Tokens, Usd } from "../units/index.js";

export type Origin = "file" | "inherited" | "default" | "set";

/** A value that is known before planning, and where it came from. */
export interface Known<T> {
  readonly value: T;
  readonly from: Origin;
  readonly span?: Span;
}

/** What the file leaves open, or fixes. */
export type Decision<T> =
  | { readonly kind: "fixed"; readonly value: T }
  | { readonly kind: "choice"; readonly options: readonly T[] }
  /** Both ends included; only for numbers. */
  | { readonly kind: "range"; readonly min: number; readonly max: number }
  | { readonly kind: "auto" };

/** A value that the planner may decide. What is fixed is a constraint that is never overridden. */
export interface Setting<T> {
  readonly value: Decision<T>;
  readonly from: Origin;
  readonly span?: Span;
}

export interface Pipeline {
  readonly schema: "llmp.pipeline/1";
  /** Path of the root file. */
  readonly file: string;
  readonly sources: readonly SourceHash[];
  /** Values of params after `--set`. */
  readonly params: Readonly<Record<string, Known<number | string | boolean>>>;
  readonly tokenizers: Readonly<Record<string, Tokenizer>>;
  readonly datasets: Readonly<Record<string, Dataset>>;
  readonly mixes: Readonly<Record<string, Mix>>;
  readonly models: Readonly<Record<string, ModelSpec>>;
  readonly adapters: Readonly<Record<string, Adapter>>;
  readonly precisions: Readonly<Record<string, Precision>>;
  readonly rewards: Readonly<Record<string, Reward>>;
  readonly clusters: Readonly<Record<string, Cluster>>;
  /** User-declared hardware, merged over the bundled data by the planner (fields of hardware/types.ts). */
  readonly accelerators: Readonly<Record<string, CustomAccelerator>>;
  readonly instances: Readonly<Record<string, CustomInstance>>;
  /** Train blocks in an order in which every stage comes after the one it starts from. */
  readonly stages: readonly Stage[];
  readonly budget: Budget;
}

export interface SourceHash {
  readonly path: string;
  readonly sha256: string;
}

interface Named {
  readonly name: string;
  readonly span?: Span;
}

export interface Tokenizer extends Named {
  readonly kind: Known<"bytes" | "bpe">;
  /** `tokenizer.json`, relative to the root file's folder. */
  readonly file?: Known<string>;
  readonly chatTemplate?: Known<string>;
}

export type DatasetFormat = "auto" | "text" | "jsonl" | "parquet" | "chat" | "preference" | "prompts";

export interface Dataset extends Named {
  /** Paths or globs relative to the root file, or `s3://…`. */
  readonly source: Known<readonly string[]>;
  readonly format: Known<DatasetFormat>;
  readonly field?: Known<string>;
  readonly prompt?: Known<string>;
  readonly completion?: Known<string>;
  readonly messages?: Known<string>;
  readonly chosen?: Known<string>;
  readonly rejected?: Known<string>;
  readonly answer?: Known<string>;
  /** As declared; else estimated from the files' sizes, else unknown. */
  readonly tokens?: Known<Tokens>;
  /** Share held out for evaluation, 0..1. */
  readonly holdout: Known<Ratio>;
}

export interface Mix extends Named {
  readonly unit: Known<"tokens" | "documents">;
  /** Non-empty; `from` ascending from 0; weights of each phase add up to 1. */
  readonly phases: readonly MixPhase[];
}

export interface MixPhase {
  /** Start, as a share of the stage's training (0..1). */
  readonly from: Ratio;
  readonly weights: Readonly<Record<string, Ratio>>;
}

export type Activation = "silu" | "gelu" | "gelu_tanh" | "relu" | "relu_squared";

/** A complete shape. Names follow Hugging Face configs. Sizes are counts of features, heads, layers or tokens. */
export interface ModelSpec extends Named {
  readonly architecture: Known<string>;
  readonly layers: Known<number>;
  readonly hidden: Known<number>;
  readonly heads: Known<number>;
  readonly kvHeads: Known<number>;
  readonly headDim: Known<number>;
  /** MLP intermediate size of dense layers. */
  readonly ffn: Known<number>;
  readonly vocab: Known<number>;
  readonly contextLength: Known<number>;
  readonly activation: Known<Activation>;
  /** Three MLP matrices (SwiGLU/GeGLU) instead of two. */
  readonly gatedMlp: Known<boolean>;
  readonly norm: Known<"rmsnorm" | "layernorm">;
  readonly normEps: Known<number>;
  /** Norms also after attention and MLP (Gemma 2/3), or only after (OLMo 2). */
  readonly normPlacement: Known<"pre" | "post" | "sandwich">;
  /** RMSNorm on queries and keys: per head (Qwen3, Gemma 3) or over the whole projection (OLMo 2). */
  readonly qkNorm: Known<"none" | "head" | "full">;
  readonly position: Known<"rope" | "learned" | "none">;
  readonly ropeTheta: Known<number>;
  /** Share of the head dimension that RoPE rotates (Phi: 0.4–0.5). */
  readonly ropeFraction: Known<number>;
  readonly ropeScaling?: Known<RopeScaling>;
  readonly tiedEmbeddings: Known<boolean>;
  readonly attentionBias: Known<"none" | "qkv" | "all">;
  readonly mlpBias: Known<boolean>;
  /** Bias of the output head (Phi 1/2). */
  readonly headBias: Known<boolean>;
  /** Norms have a bias (LayerNorm only). */
  readonly normBias: Known<boolean>;
  /** Attention and MLP read the same normed input and add up (Phi 1/2, GPT-J). */
  readonly parallelBlock: Known<boolean>;
  /** Tokens seen backwards by sliding-window layers. */
  readonly slidingWindow?: Known<number>;
  /** Every n-th layer is full attention, the others slide (Gemma 2: 2, Gemma 3: 6; 1: all slide, Mistral 0.1). */
  readonly slidingPattern: Known<number>;
  /** RoPE base of the sliding layers, where it differs; `ropeScaling` is then for full layers only (Gemma 3). */
  readonly slidingRopeTheta?: Known<number>;
  /** Gemma 2: `soft · tanh(x / soft)` on attention and final logits. */
  readonly attentionSoftcap?: Known<number>;
  readonly finalSoftcap?: Known<number>;
  /** Embedding output is multiplied by √hidden (Gemma). */
  readonly scaleEmbeddings: Known<boolean>;
  /** Attention scale 1/√this instead of 1/√head_dim (Gemma 2/3). */
  readonly queryScale?: Known<number>;
  readonly dropout: Known<Ratio>;
  readonly moe?: MoeSpec;
  readonly mla?: MlaSpec;
  /** Folder with safetensors and config.json to start from. */
  readonly weights?: Known<string>;
}

export interface RopeScaling {
  readonly kind: "linear" | "llama3" | "yarn";
  readonly factor: number;
  readonly originalContext: number;
  readonly lowFrequencyFactor?: number;
  readonly highFrequencyFactor?: number;
  readonly betaFast?: number;
  readonly betaSlow?: number;
  readonly mscale?: number;
  readonly mscaleAllDim?: number;
}

export interface MoeSpec {
  readonly experts: Known<number>;
  readonly expertsPerToken: Known<number>;
  readonly sharedExperts: Known<number>;
  /** Intermediate size of one routed expert. */
  readonly moeFfn: Known<number>;
  /** Intermediate size of all shared experts together. */
  readonly sharedFfn: Known<number>;
  /** The first n layers are dense. */
  readonly denseLayers: Known<number>;
  /** Every n-th layer is MoE (1: all but `denseLayers`). */
  readonly moeEvery: Known<number>;
  /** Undefined: dropless. */
  readonly capacityFactor?: Known<number>;
  readonly auxLoss: Known<number>;
  readonly balancing: Known<"aux_loss" | "bias" | "none">;
  readonly routerScore: Known<"softmax" | "sigmoid">;
  readonly normTopk: Known<boolean>;
  readonly routedScale: Known<number>;
  /** DeepSeek: choose among the best groups of experts. */
  readonly groups: Known<number>;
  readonly groupsPerToken: Known<number>;
  /** Qwen 2 MoE: shared expert output is gated by a sigmoid. */
  readonly sharedGate: Known<boolean>;
  /** Largest over mean load of an expert-parallel rank that plans should reckon with (1: perfectly balanced). */
  readonly imbalance: Known<number>;
}

/** Multi-head latent attention (DeepSeek V2/V3). */
export interface MlaSpec {
  /** 0: queries are projected directly (V2-Lite). */
  readonly qRank: Known<number>;
  readonly kvRank: Known<number>;
  readonly ropeHeadDim: Known<number>;
  readonly nopeHeadDim: Known<number>;
  readonly valueHeadDim: Known<number>;
}

export interface Adapter extends Named {
  readonly kind: Known<"lora" | "qlora">;
  readonly rank: Known<number>;
  readonly alpha: Known<number>;
  readonly dropout: Known<Ratio>;
  /** Projection names: q_proj k_proj v_proj o_proj gate_proj up_proj down_proj, or `all_linear`. */
  readonly targets: Known<readonly string[]>;
}

export type Dtype = "fp32" | "tf32" | "fp16" | "bf16" | "fp8" | "mxfp8" | "nf4" | "int8";

export interface Precision extends Named {
  readonly compute: Known<Dtype>;
  readonly weights: Known<Dtype>;
  readonly gradients: Known<Dtype>;
  /** "none": the weights are updated in their own dtype. */
  readonly masterWeights: Known<Dtype | "none">;
  readonly optimizerState: Known<Dtype>;
  /** Of gradient reduction over data parallel ranks. */
  readonly reduce: Known<Dtype>;
  readonly lossScale: Known<"none" | "dynamic" | number>;
  /** Only for fp8/mxfp8. */
  readonly recipe: Known<"delayed" | "tensorwise" | "rowwise" | "blockwise" | "mx">;
}

export interface Reward extends Named {
  readonly kind: Known<"exact_answer" | "regex" | "length" | "command">;
  readonly pattern?: Known<string>;
  /** Program and arguments; never a shell string. */
  readonly command?: Known<readonly string[]>;
  readonly timeout: Known<Seconds>;
  readonly weight: Known<number>;
}

export type Provider = "local" | "sagemaker" | "hyperpod" | "batch" | "kubernetes" | "slurm";
export type Pricing = "on_demand" | "spot" | "capacity_block" | "reserved";

export interface Cluster extends Named {
  readonly provider: Known<Provider>;
  /** Keys of hardware instances (`ml.p5.48xlarge`), or of `instances` of this file; `local` for this machine. */
  readonly instance: Setting<string>;
  readonly count: Setting<number>;
  readonly region?: Known<string>;
  readonly pricing: Setting<Pricing>;
  readonly orchestrator?: Known<"eks" | "slurm">;
  readonly storage?: Known<string>;
  readonly role?: Known<string>;
  readonly image?: Known<string>;
  readonly network?: Known<Network>;
  /** Machines of several types in one job; `count` of them in all, none less than `instance`. */
  readonly groups?: Known<readonly MachineGroup[]>;
  /** Extra keys that emitters need: queue, namespace, kms_key, subnets… as in the schema table. */
  readonly options: Readonly<Record<string, Known<string | number | boolean | readonly string[]>>>;
}

export interface MachineGroup {
  readonly instance: string;
  readonly count: number;
}

export interface Network {
  readonly subnets: readonly string[];
  readonly securityGroups: readonly string[];
}

/** Keys of an `accelerator` or `instance` block in camel case (`memoryBandwidth`), in SI; hardware/merge.ts reads them. */
export interface CustomAccelerator extends Named {
  readonly fields: Readonly<Record<string, number | string>>;
}

export interface CustomInstance extends Named {
  readonly fields: Readonly<Record<string, number | string>>;
}

export interface Stage extends Named {
  /** Name of the stage whose final weights this one starts from. */
  readonly startsFrom?: string;
  readonly objective: Objective;
  /** Name in `models`. */
  readonly model: Known<string>;
  /** Name in `adapters`. */
  readonly adapter?: Known<string>;
  /** Name in `mixes`; a dataset given directly becomes a mix of one. */
  readonly data: Known<string>;
  /** Name in `tokenizers`. */
  readonly tokenizer?: Known<string>;
  readonly length: Known<TrainingLength>;
  readonly batch: Known<BatchSize>;
  /** Tokens per sequence in training. */
  readonly contextLength: Setting<number>;
  /** Name in `precisions`. */
  readonly precision: Setting<string>;
  readonly parallel: ParallelSettings;
  readonly recompute: Setting<Recompute>;
  readonly offload: Setting<"none" | "activations" | "optimizer" | "both">;
  readonly optimizer: Known<Optimizer>;
  readonly engine: Setting<string>;
  /** Name in `clusters`. */
  readonly on: Known<string>;
  readonly save?: Known<Interval>;
  readonly evaluate?: Known<Interval>;
  /** Patterns of parameter names that are not trained. */
  readonly freeze: Known<readonly string[]>;
  readonly seed: Known<number>;
  /** Samples packed into one sequence without attending to each other. */
  readonly packing: Known<boolean>;
}

export type TrainingLength =
  | { readonly unit: "tokens"; readonly amount: Tokens }
  | { readonly unit: "steps"; readonly amount: number }
  | { readonly unit: "epochs"; readonly amount: number };

export type BatchSize =
  | { readonly unit: "tokens"; readonly amount: Tokens }
  | { readonly unit: "sequences"; readonly amount: number };

export type Interval =
  | { readonly unit: "steps"; readonly amount: number }
  | { readonly unit: "tokens"; readonly amount: Tokens }
  | { readonly unit: "seconds"; readonly amount: Seconds };

/** `kind` is the name of a descriptor in the catalog; `options` are its own fields after checking (camelCase keys). */
export interface Objective {
  readonly kind: string;
  readonly options: Readonly<Record<string, Known<number | string | boolean | readonly string[]>>>;
}

export interface Optimizer {
  readonly kind: string;
  readonly lr: number;
  readonly minLr: number;
  readonly weightDecay: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  /** Global gradient norm; 0: no clipping. */
  readonly clip: number;
  readonly schedule: LrSchedule;
}

export interface LrSchedule {
  readonly kind: "constant" | "cosine" | "linear" | "wsd";
  readonly warmup: Interval;
  /** wsd: share of training spent in decay. */
  readonly decay: Ratio;
}

export type Shard = "none" | "zero1" | "zero2" | "zero3" | "hsdp";
export type ScheduleKind = "gpipe" | "1f1b" | "interleaved" | "zero_bubble" | "dualpipe";

/** Degrees of parallelism: the product data × tensor × pipeline × context equals the number of devices; expert divides data × context (× tensor). */
export interface ParallelSettings {
  readonly data: Setting<number>;
  readonly shard: Setting<Shard>;
  /** Devices that share one full copy of the weights; only for hsdp. */
  readonly shardGroup: Setting<number>;
  readonly tensor: Setting<number>;
  /** Sequence parallel (Korthikanti et al. 2022), on the tensor axis. */
  readonly sequence: Setting<boolean>;
  readonly pipeline: Setting<number>;
  /** Model chunks per pipeline rank. */
  readonly virtual: Setting<number>;
  readonly schedule: Setting<ScheduleKind>;
  readonly context: Setting<number>;
  readonly expert: Setting<number>;
  /** Sequences per micro-batch and data-parallel rank. */
  readonly microBatch: Setting<number>;
}

export type Recompute =
  | { readonly kind: "none" }
  | { readonly kind: "full" }
  | { readonly kind: "selective" }
  | { readonly kind: "every"; readonly layers: number }
  | { readonly kind: "ops"; readonly ops: readonly string[] };

export interface Budget {
  readonly cost?: Known<Usd>;
  readonly time?: Known<Seconds>;
  /** Share of the device's memory that may be used (ratio), or bytes. */
  readonly memory?: Known<
    { readonly unit: "ratio"; readonly amount: Ratio } | { readonly unit: "bytes"; readonly amount: Bytes }
  >;
  readonly minimize: Known<"cost" | "time">;
}
