/** What a stage trains for. A new objective is one file here and one line in this list. */
import type { ObjectiveDescriptor } from "../types.js";
import { distill } from "./distill.js";
import { dpo } from "./dpo.js";
import { grpo } from "./grpo.js";
import { pretrain } from "./pretrain.js";
import { sft } from "./sft.js";

export const objectives: readonly ObjectiveDescriptor[] = [pretrain, sft, dpo, grpo, distill];

export const objectiveByName = (name: string): ObjectiveDescriptor | undefined =>
  objectives.find((o) => o.name === name);
