/**
 * Which experts a token goes to, and what their outputs weigh: softmax scores (Mixtral, Qwen, DeepSeek V2) or sigmoid ones
 * with a bias that only chooses (DeepSeek V3), the best of groups of experts, and capacity.
 */
import type { Op } from "../../model/graph.js";
import type { RankGroup } from "../parallel/types.js";
import type { Route } from "./route.js";
import { flag, num } from "./types.js";

function probabilitiesOf(scores: Float32Array, experts: number, sigmoid: boolean): Float32Array {
  const p = new Float32Array(scores.length);
  for (let at = 0; at < scores.length; at += experts) {
    if (sigmoid) {
      for (let e = at; e < at + experts; e++) p[e] = 1 / (1 + Math.exp(-scores[e]!));
      continue;
    }
    let top = Number.NEGATIVE_INFINITY;
    for (let e = at; e < at + experts; e++) top = Math.max(top, scores[e]!);
    let sum = 0;
    for (let e = at; e < at + experts; e++) sum += Math.exp(scores[e]! - top);
    for (let e = at; e < at + experts; e++) p[e] = Math.exp(scores[e]! - top) / sum;
  }
  return p;
}

/** Indices of the `count` largest, the first of equals first. */
function largest(values: Float64Array, count: number): number[] {
  const taken: number[] = [];
  for (let k = 0; k < count; k++) {
    let best = -1;
    for (let i = 0; i < values.length; i++)
      if (!taken.includes(i) && (best < 0 || values[i]! > values[best]!)) best = i;
    taken.push(best);
  }
  return taken;
}

/** Experts outside the best groups cannot be chosen. A group is worth its two best with a bias (V3), its best without (V2). */
function limitToGroups(choice: Float64Array, groups: number, wanted: number, pairs: boolean): void {
  const size = choice.length / groups;
  const worth = Float64Array.from({ length: groups }, (_, g) => {
    const sorted = [...choice.subarray(g * size, (g + 1) * size)].sort((a, b) => b - a);
    return sorted[0]! + (pairs ? (sorted[1] ?? 0) : 0);
  });
  const chosen = largest(worth, wanted);
  // transformers masks with 0; nothing that can be chosen is below it, but for a bias.
  for (let e = 0; e < choice.length; e++)
    if (!chosen.includes(Math.floor(e / size))) choice[e] = Number.NEGATIVE_INFINITY;
}

/** Ranks that have the other tokens of the same sequences. */
export interface Peers {
  readonly group: RankGroup;
  readonly sequences: number;
}

/** @param peers room and shares of experts are those of whole sequences */
export function routeOf(op: Op, scores: Float32Array, bias: Float32Array | undefined, peers?: Peers): Route {
  const experts = num(op, "experts");
  const topK = num(op, "topK");
  const groups = num(op, "groups", 1);
  const tokens = scores.length / experts;
  const probabilities = probabilitiesOf(scores, experts, op.attrs.score === "sigmoid");
  const expertOf = new Int32Array(tokens * topK);
  const weights = new Float32Array(tokens * topK);
  const choice = new Float64Array(experts);
  for (let t = 0; t < tokens; t++) {
    for (let e = 0; e < experts; e++) choice[e] = probabilities[t * experts + e]! + (bias?.[e] ?? 0);
    if (groups > 1) limitToGroups(choice, groups, num(op, "groupsPerToken", groups), op.attrs.score === "sigmoid");
    const chosen = largest(choice, topK);
    let sum = 0;
    for (const e of chosen) sum += probabilities[t * experts + e]!;
    for (const [k, e] of chosen.entries()) {
      expertOf[t * topK + k] = e;
      const p = probabilities[t * experts + e]!;
      weights[t * topK + k] = (num(op, "routedScale", 1) * p) / (flag(op, "normTopk") ? sum + tiny : 1);
    }
  }
  const kept = keptOf(op, expertOf, peers);
  const counts = new Int32Array(experts);
  const wanted = new Float64Array(experts);
  expertOf.forEach((e, s) => {
    wanted[e] = wanted[e]! + 1;
    if (kept[s] === 1) counts[e] = counts[e]! + 1;
  });
  const next = new Int32Array(experts);
  for (let e = 1; e < experts; e++) next[e] = next[e - 1]! + counts[e - 1]!;
  let dropped = counts.reduce((a, b) => a + b, 0);
  const rowOf = Int32Array.from(expertOf, (e, s) => (kept[s] === 1 ? next[e]!++ : dropped++));
  const all = peers === undefined ? wanted : Float64Array.from(peers.group.allReduce(Float32Array.from(wanted)));
  return { rowOf, expertOf, kept, counts, wanted: all, probabilities, weights };
}

/** Which slots find room: the first that come, in the order of whole sequences. */
function keptOf(op: Op, own: Int32Array, peers: Peers | undefined): Uint8Array {
  const factor = num(op, "capacity");
  if (factor <= 0) return new Uint8Array(own.length).fill(1);
  const size = peers?.group.size ?? 1;
  const experts = num(op, "experts");
  const room = Math.ceil((factor * own.length * size) / experts);
  // Of each rank its sequences' parts, one after the other.
  const all = peers === undefined ? own : peers.group.allGather(Float32Array.from(own));
  const sequences = peers?.sequences ?? 1;
  const part = own.length / sequences;
  const counts = new Int32Array(experts);
  const kept = new Uint8Array(own.length);
  for (let s = 0; s < sequences; s++)
    for (let rank = 0; rank < size; rank++)
      for (let i = 0; i < part; i++) {
        const e = all[(rank * sequences + s) * part + i]!;
        if (counts[e]! >= room) continue;
        counts[e] = counts[e]! + 1;
        if (rank === (peers?.group.index ?? 0)) kept[s * part + i] = 1;
      }
  return kept;
}

/** As transformers' DeepSeek V3 adds before it divides. */
const tiny = 1e-20;

/** Gradient of the scores from those of the slots' weights, through normalisation and softmax or sigmoid; added to `out`. */
export function weightsBackward(op: Op, route: Route, dWeights: Float32Array, out: Float32Array): void {
  const experts = num(op, "experts");
  const topK = num(op, "topK");
  const scale = num(op, "routedScale", 1);
  const { probabilities: p, expertOf } = route;
  const dp = new Float64Array(experts);
  for (let t = 0; t < out.length / experts; t++) {
    dp.fill(0);
    let sum = 0;
    let mean = 0;
    for (let s = t * topK; s < (t + 1) * topK; s++) sum += p[t * experts + expertOf[s]!]!;
    for (let s = t * topK; s < (t + 1) * topK; s++) mean += (dWeights[s]! * p[t * experts + expertOf[s]!]!) / sum;
    for (let s = t * topK; s < (t + 1) * topK; s++)
      dp[expertOf[s]!] = flag(op, "normTopk") ? (scale * (dWeights[s]! - mean)) / sum : scale * dWeights[s]!;
    scoresBackward(op, p, dp, t, out);
  }
}

function scoresBackward(op: Op, p: Float32Array, dp: Float64Array, t: number, out: Float32Array): void {
  const experts = dp.length;
  const at = t * experts;
  if (op.attrs.score === "sigmoid") {
    for (let e = 0; e < experts; e++) out[at + e] = out[at + e]! + dp[e]! * p[at + e]! * (1 - p[at + e]!);
    return;
  }
  let mean = 0;
  for (let e = 0; e < experts; e++) mean += dp[e]! * p[at + e]!;
  for (let e = 0; e < experts; e++) out[at + e] = out[at + e]! + p[at + e]! * (dp[e]! - mean);
}

/**
 * experts · Σ f P, f the share of tokens that chose an expert and P its mean probability (Fedus et al. 2021, as transformers
 * computes it: topK where all is balanced). With `factor` its gradient is added to the scores'.
 */
export function auxiliaryLoss(
  op: Op,
  { probabilities: p, wanted }: Route,
  factor: number,
  out: Float32Array | undefined,
  peers?: Peers,
): number {
  const experts = num(op, "experts");
  const own = p.length / experts;
  const tokens = own * (peers?.group.size ?? 1);
  const sigmoid = op.attrs.score === "sigmoid";
  const share = wanted.map((n) => n / tokens);
  const total = (t: number): number => {
    let sum = 0;
    for (let e = 0; e < experts; e++) sum += p[t * experts + e]!;
    return sum;
  };
  if (out === undefined) {
    let loss = 0;
    for (let t = 0; t < own; t++) {
      const sum = sigmoid ? total(t) : 1;
      for (let e = 0; e < experts; e++) loss += (experts * share[e]! * p[t * experts + e]!) / sum / tokens;
    }
    return peers === undefined ? loss : peers.group.allReduce(Float32Array.of(loss))[0]!;
  }
  if (factor === 0) return 0;
  const dp = new Float64Array(experts);
  for (let t = 0; t < own; t++) {
    const sum = sigmoid ? total(t) : 1;
    let mean = 0;
    if (sigmoid) for (let e = 0; e < experts; e++) mean += (share[e]! * p[t * experts + e]!) / sum;
    for (let e = 0; e < experts; e++) dp[e] = (factor * experts * (share[e]! - mean)) / sum / tokens;
    scoresBackward(op, p, dp, t, out);
  }
  return 0;
}
