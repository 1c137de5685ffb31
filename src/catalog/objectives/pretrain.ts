import type { ObjectiveDescriptor } from "../types.js";

export const pretrain: ObjectiveDescriptor = {
  name: "pretrain",
  doc: "next-token prediction on all tokens: from scratch, continued, domain-specific or on a mix of domains",
  fields: [],
  formats: ["text", "jsonl", "parquet"],
  columns: ["field"],
  passes: [{ phase: "update", model: "policy", kind: "train", sequences: 1 }],
  logitsCopies: 1,
  needsReward: false,
  needsTeacher: false,
  learningRate: { full: 3e-4, adapter: 2e-4 },
  local: true,
};
