/** Seconds of one layer for one micro-batch on one rank. */
import { attentionSeconds } from "./attention.js";
import { allReduceSeconds, allToAllSeconds, gatherSeconds, groupOf } from "./collectives.js";
import { type LinearSeconds, linearSeconds } from "./gemm.js";
import type { Rates } from "./rates.js";
import { type Gemm, gemmElements, type LayerShape } from "./shape.js";

/** Degrees that a layer's cost depends on. */
export interface Degrees {
  readonly tensor: number;
  readonly sequence: boolean;
  readonly context: number;
  readonly expert: number;
  readonly microBatch: number;
  readonly length: number;
}

export interface LayerTime {
  readonly forward: number;
  readonly backward: number;
  readonly forwardComm: number;
  readonly backwardComm: number;
  /** Of the forward: the attention kernel alone (what selective recomputation repeats). */
  readonly attention: number;
  /** Communication that a recomputed forward repeats. */
  readonly againComm: number;
  /** Forward seconds of each op, by graph id. */
  readonly ops: ReadonlyMap<string, number>;
}

/** Several kernels overlap at the edges: close to the larger, not their sum. */
const smoothMax = (a: number, b: number): number =>
  b === 0 ? a : Math.max(a, b) * (1 + (Math.min(a, b) / Math.max(a, b)) ** 8) ** 0.125;

/** Rows of each expert on a rank, and how many experts it holds. */
function routed(s: LayerShape, d: Degrees, tokens: number): { rows: number; experts: number } {
  const moe = s.moe!;
  const experts = Math.max(1, moe.experts / d.expert);
  const factor = moe.capacity > 0 ? moe.capacity : moe.imbalance;
  return { rows: (tokens * moe.topK * d.expert * factor) / moe.experts, experts };
}

/** Micro-batch and context degree only matter by their tokens: many layouts share each product. */
const products = new WeakMap<Rates, WeakMap<Gemm, Map<number, Map<number, LinearSeconds>>>>();

function productSeconds(
  r: Rates,
  g: Gemm,
  rows: number,
  inputs: number,
  outputs: number,
  experts: number,
  low: boolean,
): LinearSeconds {
  const byGemm = products.get(r) ?? new WeakMap<Gemm, Map<number, Map<number, LinearSeconds>>>();
  products.set(r, byGemm);
  const bySplit = byGemm.get(g) ?? new Map<number, Map<number, LinearSeconds>>();
  byGemm.set(g, bySplit);
  // One of the sides shrinks with the tensor axis; their sum tells which split it is.
  const split = (inputs + outputs) * 4096 + experts * 2 + (low ? 1 : 0);
  const known = bySplit.get(split) ?? new Map<number, LinearSeconds>();
  bySplit.set(split, known);
  const found = known.get(rows);
  if (found !== undefined) return found;
  const made = linearSeconds(r, rows, inputs, outputs, experts, low);
  known.set(rows, made);
  return made;
}

function gemmTime(r: Rates, s: LayerShape, g: Gemm, d: Degrees, tokens: number): { forward: number; backward: number } {
  const t = d.tensor;
  const expertGemm = g.copies > 1;
  const split = expertGemm && d.expert > 1 ? 1 : t;
  const inputs = g.split === "in" ? g.inputs / split : g.inputs;
  const outputs = g.split === "out" ? g.outputs / split : g.outputs;
  // Heads stay in bf16 in every fp8 recipe.
  const low = r.lowPrecision && s.role === "block";
  const at = expertGemm ? routed(s, d, tokens) : { rows: tokens, experts: 1 };
  const x = productSeconds(r, g, at.rows, inputs, outputs, at.experts, low);
  let forward = x.forward;
  let backward = x.input + (g.trainable ? x.weight : 0);
  if (g.rank > 0) {
    const down = linearSeconds(r, at.rows, inputs, g.rank, at.experts, false);
    const up = linearSeconds(r, at.rows, g.rank, outputs, at.experts, false);
    forward += down.forward + up.forward;
    backward += down.input + down.weight + up.input + up.weight;
  }
  if (s.stored !== undefined && !g.trainable && s.stored < 2) {
    // Unpack to the compute type before each use.
    const unpack = (2.6 * gemmElements(g)) / split / r.memory;
    forward += unpack;
    backward += unpack;
  }
  return { forward, backward };
}

export function layerTime(r: Rates, s: LayerShape, d: Degrees): LayerTime {
  const { stack } = r;
  const tokens = (d.microBatch * d.length) / d.context;
  const t = d.tensor;
  const ops = new Map<string, number>();
  let forward = 0;
  let backward = 0;
  for (const g of s.gemms) {
    const x = gemmTime(r, s, g, d, tokens);
    forward += x.forward;
    backward += x.backward;
    for (const [op, share] of g.parts ?? [[g.op, 1] as const]) ops.set(op, (ops.get(op) ?? 0) + share * x.forward);
  }
  let attention = 0;
  if (s.attention !== undefined) {
    const a = attentionSeconds(r, s.attention, tokens, d.length, s.attention.heads / Math.min(t, s.attention.heads));
    attention = a.forward;
    forward += a.forward;
    backward += a.backward;
    ops.set(s.attention.op, a.forward);
  }
  const elementwise = elementwiseBytes(r, s, d, tokens) / r.memory;
  const light = [...(s.opShares?.keys() ?? [])].filter((op) => !ops.has(op));
  for (const op of light) ops.set(op, elementwise / light.length);
  forward += elementwise;
  backward += 1.6 * elementwise;
  if (s.role === "head") {
    const logits = (tokens * s.vocab) / t;
    const loss = (stack.lossPasses * 2 * logits) / r.memory;
    forward += loss / 2;
    backward += loss / 2;
  }
  const block = s.role === "block";
  const crowd = d.tensor >= 8 ? (stack.crowdedFloor ?? 1) : 1;
  const floors = block ? ([stack.launchFloor[0] * crowd, stack.launchFloor[1] * crowd] as const) : ([0, 0] as const);
  const comm = commSeconds(r, s, d, tokens, attention);
  const f = r.factor;
  // Launches run ahead of both: kernels and collectives of a layer wait for them together.
  const alone = { forward: smoothMax(forward, floors[0]), backward: smoothMax(backward, floors[1]) };
  const all = {
    forward: smoothMax(forward + comm.forward, floors[0]),
    backward: smoothMax(backward + comm.backward, floors[1]),
  };
  return {
    forward: f * alone.forward,
    backward: f * alone.backward,
    forwardComm: f * (all.forward - alone.forward),
    backwardComm: f * (all.backward - alone.backward),
    attention: f * attention,
    againComm: f * (all.forward - alone.forward),
    ops,
  };
}

/** Bytes that memory-bound kernels move in a forward. */
function elementwiseBytes(r: Rates, s: LayerShape, d: Degrees, tokens: number): number {
  const t = d.tensor;
  const spread = d.sequence ? t : 1;
  const { stack } = r;
  if (s.role === "embedding") return (3 * 2 * tokens * s.hidden) / spread;
  if (s.role === "head") return (4 * 2 * tokens * s.hidden) / spread;
  let passes = stack.elementwisePasses * (s.dropout ? 1.3 : 1);
  let bytes = 0;
  const gate = s.gated ? 1.25 : 1;
  if (s.attention !== undefined) {
    const a = s.attention;
    const width = a.heads * a.qkDim + a.kvHeads * (a.qkDim + a.vDim);
    bytes += (2 * 2 * tokens * width) / t;
    if (a.latent > 0) bytes += 2 * 3 * tokens * a.latent;
  }
  if (s.ffn > 0) bytes += (stack.ffnPasses * gate * 2 * tokens * s.ffn) / t;
  if (s.moe !== undefined) {
    const rows = tokens * s.moe.topK * s.moe.imbalance;
    const share = d.expert > 1 ? 1 : t;
    bytes += (stack.ffnPasses * gate * 2 * rows * s.moe.ffn) / share;
    bytes += ((r.constants["moe.passes"] ?? 6) * 2 * rows * s.hidden) / spread;
    bytes += 4 * 6 * tokens * s.moe.experts;
  }
  if (r.lowPrecision) {
    const linear = s.hidden * 2 + s.ffn + (s.moe === undefined ? 0 : s.moe.ffn * s.moe.topK);
    bytes += (r.castPasses * tokens * linear) / t;
  }
  if (!d.sequence) passes = Math.max(passes, 1);
  return bytes + (passes * 2 * tokens * s.hidden) / spread;
}

/** Exposed communication of the tensor, context and expert axes. */
function commSeconds(
  r: Rates,
  s: LayerShape,
  d: Degrees,
  tokens: number,
  attention: number,
): { forward: number; backward: number } {
  const { overlap } = r.stack;
  let forward = 0;
  let backward = 0;
  const width = 2 * tokens * s.hidden;
  if (d.tensor > 1) {
    const group = groupOf(r, d.tensor, 1);
    // Nothing runs beside these: launches, and the slowest of the group, show in full.
    const visible = (1 - overlap.tensorParallel) / (r.constants["tensor.reach"] ?? 0.75);
    // Attention and MLP each gather and scatter once a direction (or reduce all); embedding and head once.
    const times =
      s.role === "block" ? (s.attention !== undefined ? 1 : 0) + (s.ffn > 0 || s.moe !== undefined ? 1 : 0) : 0.5;
    const one = d.sequence ? 2 * gatherSeconds(r, width, group) : allReduceSeconds(r, width, group);
    forward += times * one * visible;
    backward += times * one * visible * (d.sequence ? 1.25 : 1);
  }
  if (d.context > 1 && s.attention !== undefined) {
    const a = s.attention;
    const kv = (2 * tokens * a.kvHeads * (a.qkDim + a.vDim)) / Math.min(d.tensor, a.kvHeads);
    const ring = gatherSeconds(r, kv * d.context, groupOf(r, d.context, d.tensor));
    forward += Math.max(0.15 * ring, ring - attention);
    backward += Math.max(0.3 * ring, 2 * ring - 2 * attention);
  }
  if (d.expert > 1 && s.moe !== undefined) {
    const rows = tokens * s.moe.topK * s.moe.imbalance;
    const bytes = (2 * rows * s.hidden) / (d.sequence ? d.tensor : 1);
    const group = groupOf(r, d.expert, d.context);
    const once =
      allToAllSeconds(r, bytes, group, r.stack.dispatchOnce === true ? s.moe.topK : 1) * (1 - overlap.expert);
    forward += 2 * once;
    backward += 2 * once;
  }
  return { forward, backward };
}
