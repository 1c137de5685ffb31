import { headLoss } from "../head.js";
import { tokenLoss } from "../parallel/vocabulary.js";
import { type ObjectiveProgram, weightSum } from "./types.js";

/** Pre-training and supervised fine-tuning: the mean cross-entropy of the tokens that count. */
export const likelihood: ObjectiveProgram = {
  rows: () => 1,
  role: () => undefined,
  total: weightSum,
  heldOut: "next token",
  balances: true,
  dropout: true,
  loss({ context, head, hidden, vocab, there, scale }) {
    const loss = tokenLoss(context, there.targets, there.weights, scale);
    const { losses, dx } = headLoss(context, head, hidden, vocab, loss, scale !== undefined);
    const values = context.algebra.read(losses);
    context.algebra.free(losses);
    return { losses: values, dx };
  },
};
