/** Bytes of one layer on one rank: parameters, what its backward needs, temporaries. Counts follow Korthikanti et al. 2022. */
import type { SavedParts } from "../../model/index.js";
import type { Degrees } from "../time/layer.js";
import type { FullTraits } from "../time/rates.js";
import { adapterElements, type Gemm, gemmElements, type LayerShape } from "../time/shape.js";

export interface LayerMemory {
  readonly trainable: number;
  readonly frozen: number;
  /** Of `trainable`: only the expert-data-parallel group shares these. */
  readonly expert: number;
  /** Bytes of the frozen weights as stored. */
  readonly frozenBytes: number;
  /** Distinct weight shapes of the layer, elements (Transformer Engine keeps one weight-gradient buffer for each). */
  readonly cached: number;
  /** Saved for backward, one micro-batch: everything; without attention's inside; the layer's input. */
  readonly saved: number;
  readonly savedSelective: number;
  readonly input: number;
  readonly attentionSaved: number;
  readonly mlpSaved: number;
  readonly normSaved: number;
  readonly forwardTemporary: number;
  readonly backwardTemporary: number;
  /** Of the backward: the widest kernels of attention, and of the MLP or its experts. */
  readonly attentionTemporary: number;
  readonly mlpTemporary: number;
  /** Logits of the head on this rank, elements. */
  readonly logits: number;
}

/** Elements of a product's weights on one rank. */
export function elementsOnRank(g: Gemm, d: Degrees): number {
  const expert = g.copies > 1;
  const split = expert && d.expert > 1 ? d.expert : g.split === "none" ? 1 : d.tensor;
  return gemmElements(g) / split;
}

/** `low`: products in 8 bits keep their inputs in 8 bits too (Transformer Engine); `wide`: activations are in 32 bits. */
export function layerMemory(s: LayerShape, d: Degrees, stack: FullTraits, low = false, wide = false): LayerMemory {
  const m = halfMemory(s, d, stack, low, wide);
  if (!wide) return m;
  // Everything but weights and logits is an activation of twice the size; masks and statistics are next to nothing.
  return {
    ...m,
    saved: 2 * m.saved,
    savedSelective: 2 * m.savedSelective,
    input: 2 * m.input,
    attentionSaved: 2 * m.attentionSaved,
    mlpSaved: 2 * m.mlpSaved,
    normSaved: 2 * m.normSaved,
    forwardTemporary: 2 * m.forwardTemporary,
    backwardTemporary: 2 * m.backwardTemporary,
    attentionTemporary: 2 * m.attentionTemporary,
    mlpTemporary: 2 * m.mlpTemporary,
  };
}

/** What kernels keep, as if activations had 16 bits. */
function keptParts(s: LayerShape, kernels: "eager" | "compiled", wide: boolean): SavedParts | undefined {
  const parts = wide ? s.keptWide?.[kernels] : s.kept?.[kernels];
  if (!wide || parts === undefined) return parts;
  return {
    hidden: parts.hidden / 2,
    attention: parts.attention / 2,
    mlp: parts.mlp / 2,
    experts: parts.experts / 2,
    routed: parts.routed / 2,
    router: parts.router / 2,
  };
}

function halfMemory(s: LayerShape, d: Degrees, stack: FullTraits, low: boolean, wide: boolean): LayerMemory {
  const t = d.tensor;
  const spread = d.sequence ? t : 1;
  const tokens = (d.microBatch * d.length) / d.context;
  let trainable = 0;
  let frozen = 0;
  let expert = 0;
  let frozenBytes = 0;
  let cached = 0;
  let adapted = 0;
  for (const g of s.gemms) {
    const own = elementsOnRank(g, d);
    cached += own / Math.max(1, g.copies / Math.max(1, g.copies > 1 ? d.expert : 1));
    if (g.trainable) {
      trainable += own;
      if (g.copies > 1) expert += own;
    } else {
      frozen += own;
      frozenBytes += own * (s.stored ?? 2);
    }
    if (g.rank > 0) {
      trainable += adapterElements(g) / (g.split === "none" ? 1 : t);
      // The adapter keeps its own input (dropped out) and the low-rank product.
      adapted += 2 * tokens * g.rank;
    }
  }
  const addPlain = (elements: number, isTrainable: boolean): void => {
    if (isTrainable) trainable += elements;
    else {
      frozen += elements;
      frozenBytes += 2 * elements;
    }
  };
  addPlain(s.small, s.smallTrainable);
  addPlain(s.table / t, s.tableTrainable);
  const all = stack.activations;
  const a = low ? { ...all, hidden: all.hidden - 2, gated: all.gated - 1, plain: all.plain - 1 } : all;
  const h = s.hidden;
  const input = (2 * tokens * h) / spread;
  if (s.role === "embedding") {
    const dropout = s.dropout ? (tokens * h) / spread : 0;
    return {
      trainable,
      frozen,
      expert,
      frozenBytes,
      cached: 0,
      saved: dropout,
      savedSelective: dropout,
      input: dropout,
      attentionSaved: 0,
      mlpSaved: 0,
      normSaved: dropout,
      forwardTemporary: input,
      backwardTemporary: 2 * input,
      attentionTemporary: 0,
      mlpTemporary: 0,
      logits: 0,
    };
  }
  if (s.role === "head") {
    const kept = (4 * tokens * h) / spread;
    return {
      trainable,
      frozen,
      expert,
      frozenBytes,
      cached: 0,
      saved: kept,
      savedSelective: kept,
      input: kept,
      attentionSaved: 0,
      mlpSaved: 0,
      normSaved: kept,
      forwardTemporary: 0,
      backwardTemporary: input,
      attentionTemporary: 0,
      mlpTemporary: 0,
      logits: (tokens * s.vocab) / t,
    };
  }
  // Of a graph, op by op; of what only figures are known, by the stack's counts.
  const kept = stack.kernels === undefined || low ? undefined : keptParts(s, stack.kernels, wide);
  let attentionSaved = 0;
  let scores = 0;
  let attentionWide = 0;
  let mlpWide = 0;
  if (s.attention !== undefined) {
    const q = s.attention;
    const kv = Math.max(q.kvHeads / t, 1);
    const heads = q.heads / Math.min(t, q.heads);
    if (kept === undefined) {
      attentionSaved += 2 * tokens * (heads * q.qkDim + kv * (q.qkDim + q.vDim)) + 2 * tokens * heads * q.vDim;
      attentionSaved += a.head * tokens * heads + 2 * 2 * tokens * q.latent;
    } else {
      // Beyond as many ranks as key/value heads, each has one of its own.
      const repeated = kv - q.kvHeads / t;
      attentionSaved += (kept.attention * tokens) / t + 2 * tokens * repeated * (q.qkDim + q.vDim);
    }
    if (stack.attention === "unfused") scores = a.score * tokens * d.length * heads;
    attentionWide = 2 * tokens * (heads * q.qkDim + kv * (q.qkDim + q.vDim));
  }
  let mlpSaved = 0;
  if (s.ffn > 0) {
    mlpSaved += kept === undefined ? ((s.gated ? a.gated : a.plain) * tokens * s.ffn) / t : (kept.mlp * tokens) / t;
    mlpWide = (2.5 * 2 * tokens * s.ffn) / t;
  }
  if (s.moe !== undefined) {
    const rows = tokens * s.moe.topK * s.moe.imbalance;
    const share = d.expert > 1 ? 1 : t;
    if (kept === undefined) {
      // Dispatched inputs, expert activations (weighted before the second product), router probabilities.
      mlpSaved += ((low ? 1 : 2) * rows * h) / spread + ((s.gated ? a.gated : a.plain) * rows * s.moe.ffn) / share;
      mlpSaved += 3 * 4 * tokens * s.moe.experts;
    } else {
      const uneven = tokens * s.moe.imbalance;
      mlpSaved += (kept.routed * uneven) / spread + (kept.experts * uneven) / share + kept.router * tokens;
    }
    mlpWide = Math.max(mlpWide, (2.5 * 2 * rows * s.moe.ffn) / share + (2 * 2 * rows * h) / spread);
  }
  const normSaved =
    kept === undefined
      ? ((a.hidden + (s.dropout ? a.dropout : 0)) * tokens * h) / spread + adapted
      : (kept.hidden * tokens) / spread;
  const saved = normSaved + attentionSaved + scores + mlpSaved;
  const widest = Math.max(attentionWide, mlpWide);
  const residual = (2 * 2 * tokens * h) / spread;
  const { selective } = stack;
  const savedSelective =
    selective.unit === "attention"
      ? saved - scores - (a.head > 4 ? (a.head - 4) * tokens : 0)
      : Math.max(input, saved * selective.kept);
  return {
    trainable,
    frozen,
    expert,
    frozenBytes,
    cached,
    saved,
    savedSelective,
    input,
    attentionSaved: attentionSaved + scores,
    mlpSaved,
    normSaved,
    forwardTemporary: widest,
    backwardTemporary: widest + residual,
    attentionTemporary: attentionWide + residual,
    mlpTemporary: mlpWide + residual,
    logits: 0,
  };
}
