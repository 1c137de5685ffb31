/**
 * The op-level graph of a model: one definition for memory, time, recomputation and the runtime.
 * Symbolic in the number of tokens; parallelism and hardware come later (planner).
 */

/** A dimension: a number of features, or symbolic. `tokens` = sequences × sequence length of one micro-batch. */
export type Dim = number | "tokens" | "sequences" | "seq" | "routed_tokens";

/** Which axis splits a dimension of a tensor when that axis is larger than 1. */
export type SplitAxis = "tensor" | "sequence" | "expert";

export interface TensorSpec {
  readonly id: string;
  readonly shape: readonly Dim[];
  /** `act` follows the precision's compute dtype (bf16 for fp8 compute unless a kernel keeps fp8 inputs). */
  readonly dtype: "act" | "fp32" | "int32" | "bool";
  /** Dimension index → axis. `sequence` means split only where sequence parallel is on. */
  readonly split: Readonly<Partial<Record<SplitAxis, number>>>;
}

/** A weight as rows or columns of a larger tensor of the checkpoint (GPT-2's `c_attn`, Phi-3's `qkv_proj`). */
export interface Slice {
  /** Hugging Face name of the whole, with the same holes. */
  readonly of: string;
  readonly dimension: number;
  readonly start: number;
  /** Of the whole, along that dimension. */
  readonly size: number;
}

export interface WeightSpec {
  /** Hugging Face parameter name with `{layer}` and `{expert}` holes: `model.layers.{layer}.self_attn.q_proj.weight`. */
  readonly name: string;
  /** As stored by Hugging Face: linear weights are [out, in]. */
  readonly shape: readonly number[];
  /** The shape is [in, out] (GPT-2's Conv1D). */
  readonly transposed?: true;
  /** Checkpoints hold it inside another tensor; `name` is then ours. */
  readonly slice?: Slice;
  /** Tensor-parallel (or expert) split of a dimension. */
  readonly split: Readonly<Partial<Record<"tensor" | "expert", number>>>;
  readonly trainable: boolean;
  /** No weight decay for norms, biases. */
  readonly decay: boolean;
  readonly init:
    | { readonly kind: "normal"; readonly std: number }
    | { readonly kind: "zeros" }
    | { readonly kind: "ones" };
  /** Shares storage with this weight (tied embeddings). */
  readonly tiedTo?: string;
  /** Copies: number of experts for expert weights, else 1. */
  readonly copies: number;
  /** Frozen base weights of QLoRA are stored as nf4. */
  readonly stored?: "nf4" | "int8";
}

export type OpKind =
  | "embedding"
  | "norm"
  | "linear"
  | "rope"
  | "attention"
  | "activation"
  | "gated_activation"
  | "add"
  | "scale"
  | "dropout"
  | "softcap"
  | "router"
  | "dispatch"
  | "grouped_linear"
  | "combine"
  | "cross_entropy"
  /** Between ranks; only in a rank's part of a graph (src/program/parallel). */
  | "collective";

export interface Op {
  /** Unique in its layer: `attn.q_proj`, `mlp.act`. Names that `recompute = { ops = [...] }` takes. */
  readonly id: string;
  readonly kind: OpKind;
  /** Module for selective recomputation and reports: `attention`, `mlp`, `moe`, `norm`, `embedding`, `head`. */
  readonly module: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly weights: readonly string[];
  /** Tensor ids that the backward needs (inputs, outputs, or internal ones such as the attention's log-sum-exp). */
  readonly saves: readonly string[];
  /** Forward FLOPs per token that do not depend on the sequence length (2·m·n per weight matrix element pair). */
  readonly flopsPerToken: number;
  /** Forward attention FLOPs per token and per attended position; 0 for others. Causal attention attends (s+1)/2 on average. */
  readonly flopsPerTokenPair: number;
  /** Backward FLOPs over forward FLOPs (2 for linears, 2.5 for flash attention). */
  readonly backwardRatio: number;
  /** Numbers that the kind needs: heads, kvHeads, headDim, valueDim, window, causal, eps, fraction, topK… */
  readonly attrs: Readonly<Record<string, number | string | boolean>>;
  /** Which axis splits its work: `tensor` (linears, attention heads), `sequence` (norms, adds under SP), `expert`. */
  readonly splitBy: SplitAxis | "none";
}

/** One kind of layer; the model is a list of references to kinds. */
export interface LayerKind {
  readonly id: string;
  readonly ops: readonly Op[];
  readonly tensors: Readonly<Record<string, TensorSpec>>;
  readonly weights: Readonly<Record<string, WeightSpec>>;
  /** Tensor that enters and leaves the layer (the residual stream): ids in `tensors`. */
  readonly input: string;
  readonly output: string;
}

export interface ModelGraph {
  readonly schema: "llmp.graph/1";
  readonly model: string;
  readonly architecture: string;
  readonly kinds: Readonly<Record<string, LayerKind>>;
  /** Kind ids from the embedding to the head, one entry per layer: `embedding`, `dense` × n, `head`. */
  readonly stack: readonly string[];
  /** Exact counts. */
  readonly parameters: number;
  /** Parameters that one token uses (MoE: routed ones only), embeddings included. */
  readonly activeParameters: number;
  readonly trainableParameters: number;
  /** Key/value cache bytes per token at 2 bytes an element (generation in GRPO). */
  readonly kvBytesPerToken: number;
  readonly hidden: number;
  readonly vocab: number;
}
