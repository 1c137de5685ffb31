import { field, flag, ratio, real, ref, words } from "../fields.js";
import type { ObjectiveDescriptor } from "../types.js";

export const distill: ObjectiveDescriptor = {
  name: "distill",
  doc: "knowledge distillation: the student learns the teacher's token distributions (Hinton et al. 2015)",
  fields: [
    field(
      "teacher",
      ref("model", "train"),
      "the model to learn from; it must have the student's vocabulary",
      "llama3_70b",
      { required: true },
    ),
    field("temperature", real(0.01), "softens both distributions", "2.0", { default: "1.0" }),
    field(
      "divergence",
      words({
        forward_kl: "covers all that the teacher may say",
        reverse_kl: "keeps to what the teacher likes best (MiniLLM)",
        js: "Jensen-Shannon, in between (GKD)",
      }),
      "distance between the two distributions",
      "forward_kl",
      { default: "forward_kl" },
    ),
    field("hard_labels", ratio, "share of the ordinary next-token loss in the sum", "0.1", { default: "0" }),
    field("completions_only", flag, "count the loss on completions only (chat data)", "false", { default: "false" }),
  ],
  formats: ["text", "jsonl", "parquet", "chat"],
  columns: ["field", "prompt", "completion", "messages"],
  passes: [
    { phase: "teacher", model: "teacher", kind: "forward", sequences: 1, beside: true },
    { phase: "update", model: "policy", kind: "train", sequences: 1 },
  ],
  logitsCopies: 2,
  needsReward: false,
  needsTeacher: true,
  learningRate: { full: 1e-4, adapter: 2e-4 },
  local: true,
};
