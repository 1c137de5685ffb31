/** Descriptors: what an objective, an engine, an optimizer, a schedule is, as data that callers ask instead of asking names. */
import type { FieldSpec } from "../units/index.js";

/** One pass of one model copy within an optimizer step of an objective. */
export interface ModelPass {
  /** What it is called in plans: `update`, `teacher`, `reference`, `rollout`, `reward`, `old_log_probs`. */
  readonly phase: string;
  /** Which weights: the trained policy/student, a frozen reference, a frozen teacher. */
  readonly model: "policy" | "reference" | "teacher";
  /** `reward`: no model runs. */
  readonly kind: "train" | "forward" | "generate" | "reward";
  /** Runs while the activations of the trained model are held. */
  readonly beside?: true;
  /** Only where samples are used for several updates, or the engine always does it. */
  readonly only?: "reused";
  /** Sequences per sample of the batch (DPO: 2, chosen and rejected; GRPO: the group size, given by an option). */
  readonly sequences: number | { readonly option: string };
}

export interface ObjectiveDescriptor {
  readonly name: string;
  readonly doc: string;
  readonly fields: readonly FieldSpec[];
  /** Dataset formats it can read and the columns it needs. */
  readonly formats: readonly string[];
  readonly columns: readonly string[];
  readonly passes: readonly ModelPass[];
  /** Shape of the logits that its loss holds: one model's, or several at once. */
  readonly logitsCopies: number;
  readonly needsReward: boolean;
  readonly needsTeacher: boolean;
  /** Learning rates that the field uses for it: all weights trained, or an adapter only. */
  readonly learningRate: { readonly full: number; readonly adapter: number };
  /** The figure beside the loss that says how training goes, where the loss does not. */
  readonly gauge?: string;
  /** Can this project's own runtime train it. */
  readonly local: boolean;
}

export interface OptimizerDescriptor {
  readonly name: string;
  readonly doc: string;
  readonly fields: readonly FieldSpec[];
  /** State elements per parameter (AdamW 2, SGD with momentum 1, Muon 1, Lion 1, Adafactor ~0). */
  readonly statesPerParameter: number;
  readonly flopsPerParameter: number;
  readonly local: boolean;
}

export interface PrecisionDescriptor {
  readonly name: string;
  readonly doc: string;
  /** Values for every key of a `precision` block. */
  readonly values: Readonly<Record<string, string | number>>;
}

/** A software stack, as far as memory and time depend on it. One descriptor per engine and range of versions. */
export interface EngineDescriptor {
  readonly name: string;
  readonly doc: string;
  /** `>=0.3`, `2022`…: free text, first match in the list wins where a run names no version. */
  readonly versions: string;
  /** Other spellings found in published runs. */
  readonly aliases: readonly string[];
  readonly stack: StackTraits;
  readonly can: EngineCapabilities;
}

export interface StackTraits {
  /** `flash1`: FlashAttention 1 and its Triton ports of 2022–2023. */
  readonly attention: "unfused" | "flash1" | "flash2" | "flash3" | "cudnn" | "tfjs";
  /** Where the kernel depends on the accelerator's generation (PyTorch's SDPA takes cuDNN on Blackwell only). */
  readonly attentionOn?: Readonly<Record<string, StackTraits["attention"]>>;
  readonly compiled: boolean;
  /** Fused or chunked loss: bytes of logits-sized buffers per logit at the peak. */
  readonly lossBytesPerLogit: number;
  /** Elementwise passes over [tokens, hidden] in one layer, forward; calibrated per stack. */
  readonly elementwisePasses: number;
  /** Seconds of launch floor per layer and micro-batch: forward, backward. */
  readonly launchFloor: readonly [forward: number, backward: number];
  readonly overlap: {
    /** Share of data-parallel communication that can hide behind compute. */
    readonly dataParallel: number;
    readonly fsdpPrefetch: boolean;
    readonly tensorParallel: number;
    readonly pipeline: number;
    readonly expert: number;
  };
  /** fp32 gradient accumulation buffer (Megatron) or gradients in the weights' dtype. */
  readonly gradientBytes: 2 | 4;
  /** Transformer Engine's cached bf16 weight-gradient buffers, one per distinct weight shape. */
  readonly cachedWeightGradients: boolean;
  readonly contextBytes: number;
  /** Reserved over allocated. */
  readonly allocatorSlack: number;
  readonly fusedOptimizer: boolean;
  /** Measured over modelled seconds where all else is equal, by accelerator generation (`any` otherwise); fitted. */
  readonly timeFactor?: Readonly<Record<string, number>>;
  /** Elementwise passes over [tokens, ffn] of an MLP, forward. */
  readonly ffnPasses?: number;
  /** Passes over the logits (2 bytes each), forward and backward together. */
  readonly lossPasses?: number;
  /** Share of compute time that concurrent FSDP gathers take away (copies in and out, SM and bandwidth contention). */
  readonly fsdpTax?: number;
  /** Seconds of a step that no layer accounts for: optimizer launches, gradient norm, logging, data. */
  readonly stepSeconds?: number;
  /**
   * Bytes of device memory that each trainable parameter costs in each micro-batch beside the products themselves: gradient
   * accumulation (fused into fp32: read and write, 8), FSDP's copies in and out of its buffers.
   */
  readonly weightTraffic?: number;
  /** Traffic of quantising for products in 8 bits, over Transformer Engine's fused casts (1). */
  readonly casts?: number;
  /** Scales of 8-bit products by row and column, which other kernels compute, more slowly. */
  readonly rowwise?: boolean;
  /** Runs were asked to repeat to the bit: attention's backward sums in a fixed order. */
  readonly deterministic?: boolean;
  /** Expert dispatch sends a token once to each rank or node that needs it, not once for each expert (DeepEP). */
  readonly dispatchOnce?: boolean;
  /** Launch floor over the stated one where one tensor group fills a node of eight (their launches contend). */
  readonly crowdedFloor?: number;
  /** Bytes a parameter of training state: weights as kept, gradients, optimizer with master. Absent: mixed precision as usual. */
  readonly state?: StackState;
  /** The same where it depends on the compute type (DeepSpeed keeps fp32 gradients in bf16 but not in fp16). */
  readonly stateByPrecision?: Readonly<Record<string, StackState>>;
  readonly activations?: StackActivations;
  /** Whose kernels these are: where a model's graph is known, what they save is counted op by op instead (src/model/saved.ts). */
  readonly kernels?: "eager" | "compiled";
  /** Hidden states that a pipeline engine holds for each micro-batch in flight, beside what layers save. */
  readonly pipelineBuffers?: number;
  /** What `selective` means here: share of saved bytes kept, share of a layer's forward run again. */
  readonly selective?: { readonly kept: number; readonly again: number; readonly unit: "attention" | "layer" };
}

export interface StackState {
  readonly weights: number;
  readonly gradients: number;
  readonly optimizer: number;
}

/** Bytes saved for the backward, for each token and feature (Korthikanti et al. 2022 count them for Megatron). */
export interface StackActivations {
  /** Of each hidden feature: norms' inputs and outputs, residuals. */
  readonly hidden: number;
  /** Of each MLP feature with three matrices, and with two. */
  readonly gated: number;
  readonly plain: number;
  /** Dropout masks and dropped values of each hidden feature, where the model trains with dropout. */
  readonly dropout: number;
  /** Of each query head: log-sum-exp and what else the kernel keeps. */
  readonly head: number;
  /** Unfused attention: bytes of each score. */
  readonly score: number;
}

/** How an engine generates answers to learn from. */
export interface RolloutTraits {
  /** `weights`: with the training weights, gathered where they are sharded; `server`: a serving engine with a copy of its own. */
  readonly kind: "weights" | "server";
  /** Keys and values of MLA are cached per head, or as the latent that they are made from. */
  readonly cache: "expanded" | "latent";
  /** Seconds of launches for each layer and token. */
  readonly layerSeconds: number;
  /** Tokens of prompts in one pass; absent: all of them. */
  readonly prefillTokens?: number;
  /** Of the device's memory, what a server takes for its weights and caches. */
  readonly memoryShare?: number;
  /** Log-probabilities of the samples are computed again even where each is used once. */
  readonly oldLogProbs?: true;
}

/** What an engine can run; the planner never chooses what its engine cannot. `true`/`false`, or the allowed values. */
export interface EngineCapabilities {
  /** Providers of clusters on which it is started (`local`: through torchrun on this machine). Absent: all. */
  readonly providers?: readonly string[];
  readonly vendors: readonly string[];
  readonly objectives: readonly string[];
  readonly adapters: readonly string[];
  readonly precisions: readonly string[];
  readonly optimizers: readonly string[];
  readonly architectures: readonly string[] | "all";
  readonly shards: readonly string[];
  readonly tensor: boolean;
  readonly sequence: boolean;
  readonly pipeline: boolean;
  readonly schedules: readonly string[];
  readonly unevenPipeline: boolean;
  readonly context: boolean;
  readonly expert: boolean;
  /** none, full, selective, every (n-th layer), block (first n layers), ops (named ops, same for all layers), perLayer (anything). */
  readonly recompute: readonly ("none" | "full" | "selective" | "every" | "block" | "ops" | "perLayer")[];
  readonly offload: readonly string[];
  readonly mixSchedule: "native" | "prepared" | "phases" | "none";
  /** Other things that a stage may ask for and this engine has not (`schedule.wsd`, `llama.tied_embeddings`, `freeze`). */
  readonly lacks?: readonly string[];
  /** How it generates, where it has objectives that do. */
  readonly rollout?: RolloutTraits;
  /** Why not, for the answers "no": key → reason with source. */
  readonly because: Readonly<Record<string, string>>;
}

export interface ScheduleDescriptor {
  readonly name: string;
  readonly doc: string;
  readonly fields: readonly FieldSpec[];
}
