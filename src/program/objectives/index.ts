/** How each objective computes a step. A new one is one file here and one line in this table. */
import { distill } from "./distill.js";
import { dpo } from "./dpo.js";
import { grpo } from "./grpo.js";
import { likelihood } from "./likelihood.js";
import type { ObjectiveProgram } from "./types.js";

export { type DistillSettings, distillRows } from "./distill.js";
export { dpoLoss } from "./dpo.js";
export { groupAdvantages, grpoLoss } from "./grpo.js";
export { runMicro } from "./micro.js";
export * from "./types.js";

export const objectivePrograms: Readonly<Record<string, ObjectiveProgram | undefined>> = {
  pretrain: likelihood,
  sft: likelihood,
  dpo,
  grpo,
  distill,
};
