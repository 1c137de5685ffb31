/** Rules of the trade, one file each: a new one is a file and a line in this list. */
import type { Draft } from "../assemble.js";
import type { Context } from "../context.js";
import { acceleratorsRule } from "./accelerators.js";
import { contextLengthRule } from "./context-length.js";
import { dataRule } from "./data.js";
import { devicesRule } from "./devices.js";
import { effectlessRule } from "./effectless.js";
import { filesRule } from "./files.js";
import { instancesRule } from "./instances.js";
import { machinesRule } from "./machines.js";
import { optimalRule } from "./optimal.js";
import { parallelRule } from "./parallel.js";
import { precisionRule } from "./precision.js";
import { repeatsRule } from "./repeats.js";
import type { Rule } from "./rule.js";
import { savesRule } from "./saves.js";
import { shapesRule } from "./shapes.js";
import { warmupRule } from "./warmup.js";

const rules: readonly Rule[] = [
  acceleratorsRule,
  shapesRule,
  parallelRule,
  instancesRule,
  machinesRule,
  devicesRule,
  precisionRule,
  contextLengthRule,
  dataRule,
  repeatsRule,
  optimalRule,
  warmupRule,
  savesRule,
  filesRule,
  effectlessRule,
];

export function checkRules(draft: Draft, context: Context): void {
  for (const rule of rules) rule(draft, context);
}
