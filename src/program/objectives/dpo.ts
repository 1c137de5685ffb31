import type { RankGroup } from "../parallel/types.js";
import { type MicroResult, numberOf, type ObjectiveOptions, type ObjectiveProgram } from "./types.js";
import { type LogProbs, logProbsOf, type Weighed, weightedLoss } from "./weighted.js";

const logSigmoid = (x: number): number => (x < 0 ? x - Math.log1p(Math.exp(x)) : -Math.log1p(Math.exp(-x)));
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/**
 * Rows 2i are chosen, 2i + 1 rejected. Sigmoid (Rafailov et al. 2023, eq. 7; label smoothing as Mitchell 2023's conservative
 * DPO) on summed log-probabilities; IPO (Azar et al. 2023, eq. 17) on means over the answer's tokens, as TRL computes it.
 * @param peers ranks that have the other tokens of the same rows; the first of them has the losses and figures
 */
export function dpoLoss(
  { policy, other }: LogProbs,
  mask: Float32Array,
  length: number,
  options: ObjectiveOptions,
  peers?: RankGroup,
): Weighed<MicroResult> {
  const beta = numberOf(options, "beta", 0.1);
  const smoothing = numberOf(options, "labelSmoothing", 0);
  const ipo = options.loss?.value === "ipo";
  const rows = mask.length / length;
  const weights = new Float32Array(mask.length);
  const losses = new Float32Array(mask.length);
  const gain = new Float64Array(rows);
  const counts = new Float64Array(rows);
  for (let i = 0; i < mask.length; i++) {
    if (mask[i] === 0) continue;
    const row = Math.floor(i / length);
    gain[row] = gain[row]! + policy[i]! - other[i]!;
    counts[row] = counts[row]! + 1;
  }
  for (const part of [gain, counts]) if (peers !== undefined) part.set(peers.allReduce(Float32Array.from(part)));
  const tells = peers === undefined || peers.index === 0;
  const sums = { rewards_chosen: 0, rewards_rejected: 0, reward_margin: 0, reward_accuracy: 0 };
  for (let chosen = 0; chosen < rows; chosen += 2) {
    const rejected = chosen + 1;
    // Rows that only fill a batch up.
    if (counts[chosen] === 0 && counts[rejected] === 0) continue;
    const per = (row: number): number => (ipo ? 1 / Math.max(1, counts[row]!) : 1);
    const margin = gain[chosen]! * per(chosen) - gain[rejected]! * per(rejected);
    // ∂loss/∂margin
    let slope: number;
    let loss: number;
    if (ipo) {
      const off = margin - 1 / (2 * beta);
      loss = off * off;
      slope = 2 * off;
    } else {
      const x = beta * margin;
      loss = -(1 - smoothing) * logSigmoid(x) - smoothing * logSigmoid(-x);
      slope = beta * (smoothing * sigmoid(x) - (1 - smoothing) * sigmoid(-x));
    }
    for (const [row, sign] of [
      [chosen, 1],
      [rejected, -1],
    ] as const)
      for (let i = row * length; i < (row + 1) * length; i++) if (mask[i] !== 0) weights[i] = -slope * sign * per(row);
    if (!tells) continue;
    losses[chosen * length] = loss;
    sums.rewards_chosen += beta * gain[chosen]!;
    sums.rewards_rejected += beta * gain[rejected]!;
    sums.reward_margin += beta * (gain[chosen]! - gain[rejected]!);
    sums.reward_accuracy += gain[chosen]! > gain[rejected]! ? 1 : 0;
  }
  return { weights, result: { losses, sums } };
}

/** Direct preference optimization: both answers of a pair in one micro-batch, the reference's pass before the policy's. */
export const dpo: ObjectiveProgram = {
  rows: () => 2,
  role: () => "reference",
  total: (batch) => Math.max(1, batch.sequences / 2),
  heldOut: "own",
  guide: (ending, batch) => ({ logProbs: logProbsOf(ending, batch, 1) }),
  loss: (run) =>
    weightedLoss(run, 1, (logProbs) =>
      dpoLoss(logProbs, run.batch.weights, run.batch.length, run.options, run.context.links?.context),
    ),
};
