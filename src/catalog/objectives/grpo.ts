import { field, list, oneOf, positive, real, ref, whole, words } from "../fields.js";
import type { ObjectiveDescriptor } from "../types.js";

export const grpo: ObjectiveDescriptor = {
  name: "grpo",
  doc: "group-relative policy optimization with verifiable rewards (Shao et al. 2024; DeepSeek-R1-Zero)",
  fields: [
    field(
      "reward",
      oneOf(ref("reward"), list(ref("reward"))),
      "what an answer earns: one reward, or several added by weight",
      "[exact, shaped]",
      { required: true },
    ),
    field("group_size", whole(2), "answers sampled for each prompt", "16", { default: "8" }),
    field("kl", real(0), "weight of the KL term to the reference; 0: no reference model", "0.001", {
      default: "0.001",
    }),
    field("temperature", real(0.01), "of sampling", "1.0", { default: "1.0" }),
    field("max_completion", positive("tokens"), "longest answer", "1024 tokens", { default: "512" }),
    field("clip", real(0, 1), "of the probability ratio (PPO's epsilon)", "0.2", { default: "0.2" }),
    field("updates", whole(), "optimizer updates on each batch of samples", "1", { default: "1" }),
    field(
      "scale",
      words({ group: "divide by the group's standard deviation", none: "only subtract the mean (Dr. GRPO)" }),
      "how advantages are scaled",
      "group",
      { default: "group" },
    ),
    field(
      "reference",
      ref("model", "train"),
      "the frozen policy of the KL term; unless given, the weights that the stage starts with",
      "base",
    ),
  ],
  formats: ["prompts", "jsonl", "parquet"],
  columns: ["prompt", "answer"],
  passes: [
    { phase: "rollout", model: "policy", kind: "generate", sequences: { option: "groupSize" } },
    { phase: "reward", model: "policy", kind: "reward", sequences: { option: "groupSize" } },
    { phase: "old_log_probs", model: "policy", kind: "forward", sequences: { option: "groupSize" }, only: "reused" },
    { phase: "reference", model: "reference", kind: "forward", sequences: { option: "groupSize" } },
    { phase: "update", model: "policy", kind: "train", sequences: { option: "groupSize" } },
  ],
  logitsCopies: 1,
  needsReward: true,
  needsTeacher: false,
  learningRate: { full: 1e-6, adapter: 1e-5 },
  gauge: "reward",
  local: true,
};
