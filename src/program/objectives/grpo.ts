import {
  type MicroResult,
  numberOf,
  type ObjectiveBatch,
  type ObjectiveOptions,
  type ObjectiveProgram,
  weightSum,
} from "./types.js";
import { type LogProbs, logProbsOf, type Weighed, weightedLoss } from "./weighted.js";

/** Added to the standard deviation that advantages are divided by (TRL). */
const smallest = 1e-4;

/** Reward minus its group's mean, by the group's standard deviation where `scale` is `group` (Shao et al. 2024, eq. 3). */
export function groupAdvantages(rewards: ArrayLike<number>, groupSize: number, scale: boolean): Float32Array {
  const out = new Float32Array(rewards.length);
  for (let first = 0; first < rewards.length; first += groupSize) {
    let mean = 0;
    for (let i = 0; i < groupSize; i++) mean += rewards[first + i]! / groupSize;
    let square = 0;
    for (let i = 0; i < groupSize; i++) square += (rewards[first + i]! - mean) ** 2;
    const spread = scale ? Math.sqrt(square / (groupSize - 1)) + smallest : 1;
    for (let i = 0; i < groupSize; i++) out[first + i] = (rewards[first + i]! - mean) / spread;
  }
  return out;
}

/**
 * −min(r A, clip(r) A) + kl · (e^(ref − logp) − (ref − logp) − 1) of each sampled token, r the ratio to the policy that
 * sampled; the mean over all tokens of the batch (DAPO's aggregation, TRL's default).
 */
export function grpoLoss(
  { policy, other }: LogProbs,
  batch: Pick<ObjectiveBatch, "weights" | "length" | "advantages" | "oldLogProbs">,
  options: ObjectiveOptions,
): Weighed<MicroResult> {
  const clip = numberOf(options, "clip", 0.2);
  const beta = numberOf(options, "kl", 0.001);
  const mask = batch.weights;
  const weights = new Float32Array(mask.length);
  const losses = new Float32Array(mask.length);
  const sums = { kl: 0, clip_fraction: 0 };
  for (let i = 0; i < mask.length; i++) {
    if (mask[i] === 0) continue;
    const advantage = batch.advantages?.[Math.floor(i / batch.length)] ?? 0;
    const ratio = Math.exp(policy[i]! - (batch.oldLogProbs?.[i] ?? policy[i]!));
    const clipped = Math.min(1 + clip, Math.max(1 - clip, ratio));
    const useClipped = clipped * advantage < ratio * advantage;
    losses[i] = -Math.min(ratio * advantage, clipped * advantage);
    weights[i] = useClipped ? 0 : ratio * advantage;
    if (useClipped) sums.clip_fraction++;
    if (beta === 0) continue;
    const away = other[i]! - policy[i]!;
    const kl = Math.exp(away) - away - 1;
    losses[i] = losses[i]! + beta * kl;
    weights[i] = weights[i]! + beta * (Math.exp(away) - 1);
    sums.kl += kl;
  }
  return { weights, result: { losses, sums, logProbs: policy } };
}

const temperatureOf = (options: ObjectiveOptions): number => numberOf(options, "temperature", 1);

/** Group-relative policy optimization on answers that were sampled and rewarded before. */
export const grpo: ObjectiveProgram = {
  rows: (options) => numberOf(options, "groupSize", 8),
  // A KL weight of zero needs no reference.
  role: (options) => (numberOf(options, "kl", 0.001) === 0 ? undefined : "reference"),
  total: weightSum,
  heldOut: "none",
  samples: true,
  guide: (ending, batch, options) => ({ logProbs: logProbsOf(ending, batch, temperatureOf(options)) }),
  loss: (run) =>
    weightedLoss(run, temperatureOf(run.options), (logProbs) => grpoLoss(logProbs, run.batch, run.options)),
};
