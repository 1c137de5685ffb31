import { field, flag } from "../fields.js";
import type { ObjectiveDescriptor } from "../types.js";

export const sft: ObjectiveDescriptor = {
  name: "sft",
  doc: "supervised fine-tuning on prompts and completions or chats; the loss is on completions only, unless told otherwise",
  fields: [field("train_on_prompt", flag, "count the loss on the prompt's tokens too", "false", { default: "false" })],
  formats: ["jsonl", "parquet", "chat"],
  columns: ["prompt", "completion", "messages"],
  passes: [{ phase: "update", model: "policy", kind: "train", sequences: 1 }],
  logitsCopies: 1,
  needsReward: false,
  needsTeacher: false,
  learningRate: { full: 2e-5, adapter: 2e-4 },
  local: true,
};
