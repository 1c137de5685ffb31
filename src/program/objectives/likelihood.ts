import { microBatchStep } from "../model.js";
import { putBatch } from "../step.js";
import { type ObjectiveProgram, weightSum } from "./types.js";

/** Pre-training and supervised fine-tuning: the mean cross-entropy of the tokens that count. */
export const likelihood: ObjectiveProgram = {
  anyLayout: true,
  rows: () => 1,
  role: () => undefined,
  total: weightSum,
  heldOut: "next token",
  micro({ algebra, policy, batch, recompute, scale }) {
    const there = putBatch(algebra, batch);
    const losses = microBatchStep(algebra, policy, there, recompute, scale);
    const values = algebra.read(losses);
    algebra.free(losses);
    there.free();
    return { losses: values };
  },
};
