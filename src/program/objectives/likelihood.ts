import { balanced, balanceOf } from "../balance.js";
import { microBatchStep } from "../model.js";
import { putBatch } from "../step.js";
import { type ObjectiveProgram, weightSum } from "./types.js";

/** Pre-training and supervised fine-tuning: the mean cross-entropy of the tokens that count. */
export const likelihood: ObjectiveProgram = {
  anyLayout: true,
  dropout: true,
  rows: () => 1,
  role: () => undefined,
  total: weightSum,
  heldOut: "next token",
  micro({ algebra, policy, batch, recompute, scale }) {
    const there = putBatch(algebra, batch);
    const weight = weightSum(batch);
    const losses = balanced(policy, (scale ?? 0) * weight, () =>
      microBatchStep(algebra, policy, there, recompute, scale),
    );
    const values = algebra.read(losses);
    algebra.free(losses);
    there.free();
    const sums = Object.fromEntries(Object.entries(balanceOf(policy)).map(([name, value]) => [name, value * weight]));
    return { losses: values, sums };
  },
};
