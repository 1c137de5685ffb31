/** A layer as the physics sees it: its matrix products, its attention, the widths that its elementwise kernels run over. */

import type { SavedParts } from "../../model/index.js";

export interface Gemm {
  /** Op of the graph that it belongs to. */
  readonly op: string;
  readonly module: string;
  readonly inputs: number;
  readonly outputs: number;
  /** `out`: columns are split over the tensor axis, `in`: rows. */
  readonly split: "out" | "in" | "none";
  /** Experts; 1 otherwise. */
  readonly copies: number;
  readonly trainable: boolean;
  /** Rank of a low-rank adapter beside it; 0: none. */
  readonly rank: number;
  /** Products that read the same input run as one: the ops of the graph and their shares of its columns. */
  readonly parts?: readonly (readonly [op: string, share: number])[];
}

export interface AttentionShape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly qkDim: number;
  readonly vDim: number;
  /** 0: all before. */
  readonly window: number;
  readonly causal: boolean;
  /** Multi-head latent attention: width of the compressed queries, keys and values. */
  readonly latent: number;
  readonly op: string;
}

export interface MoeShape {
  readonly experts: number;
  readonly topK: number;
  readonly ffn: number;
  readonly imbalance: number;
  /** 0: dropless. */
  readonly capacity: number;
}

export interface LayerShape {
  readonly kind: string;
  readonly role: "embedding" | "block" | "head";
  readonly hidden: number;
  readonly gemms: readonly Gemm[];
  readonly attention?: AttentionShape;
  readonly moe?: MoeShape;
  /** Intermediate size of the dense or shared MLP; 0: none. */
  readonly ffn: number;
  readonly gated: boolean;
  readonly dropout: boolean;
  readonly vocab: number;
  /** Elements of norms, biases, position tables: replicated over the tensor axis. */
  readonly small: number;
  readonly smallTrainable: boolean;
  /** Elements of the embedding table; split over the tensor axis. */
  readonly table: number;
  readonly tableTrainable: boolean;
  /** Share of the layer's saved bytes (its input aside) that each op's outputs are; for dropping ops one by one. */
  readonly opShares?: ReadonlyMap<string, number>;
  /** Bytes that kernels keep of a token for the backward, by part of the layer, each where it is known. */
  readonly kept?: Readonly<Record<"eager" | "compiled", SavedParts>>;
  /** The same where activations are in 32 bits. */
  readonly keptWide?: Readonly<Record<"eager" | "compiled", SavedParts>>;
  /** Elements that generation caches for a token, by form, and after how many tokens it forgets (0: never). */
  readonly cached?: { readonly expanded: number; readonly latent: number; readonly window: number };
  /** Bytes of a frozen weight as stored, where not in the compute type (QLoRA). */
  readonly stored?: number;
}

export interface ModelShape {
  readonly kinds: Readonly<Record<string, LayerShape>>;
  readonly stack: readonly string[];
  readonly tied: boolean;
}

/** Elements of the weights of a matrix product and of its adapter. */
export const gemmElements = (g: Gemm): number => g.inputs * g.outputs * g.copies;
export const adapterElements = (g: Gemm): number => (g.rank === 0 ? 0 : g.rank * (g.inputs + g.outputs) * g.copies);
