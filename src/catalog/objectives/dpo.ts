import { field, ratio, real, ref, words } from "../fields.js";
import type { ObjectiveDescriptor } from "../types.js";

export const dpo: ObjectiveDescriptor = {
  name: "dpo",
  doc: "direct preference optimization on chosen and rejected answers (Rafailov et al. 2023)",
  fields: [
    field(
      "reference",
      ref("model", "train"),
      "the frozen policy to stay near; unless given, the weights that the stage starts with",
      "sft_stage",
    ),
    field("beta", real(0), "how strongly to stay near the reference", "0.1", { default: "0.1" }),
    field(
      "loss",
      words({ sigmoid: "the loss of the paper", ipo: "squared margin (Azar et al. 2023)" }),
      "form of the loss",
      "sigmoid",
      { default: "sigmoid" },
    ),
    field("label_smoothing", ratio, "share of labels taken to be wrong (conservative DPO)", "0", { default: "0" }),
  ],
  formats: ["preference", "jsonl", "parquet"],
  columns: ["prompt", "chosen", "rejected"],
  passes: [
    { phase: "update", model: "policy", kind: "train", sequences: 2 },
    { phase: "reference", model: "reference", kind: "forward", sequences: 2, beside: true },
  ],
  logitsCopies: 2,
  needsReward: false,
  needsTeacher: false,
  learningRate: { full: 5e-7, adapter: 5e-6 },
  gauge: "reward_accuracy",
  local: true,
};
