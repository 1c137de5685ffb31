/** Rules of the trade, one file each. A rule looks at the draft of the pipeline and reports; it changes nothing. */
import type { Draft } from "../assemble.js";
import type { Context } from "../context.js";

export type Rule = (draft: Draft, context: Context) => void;

const rules: readonly Rule[] = [];

export function checkRules(draft: Draft, context: Context): void {
  for (const rule of rules) rule(draft, context);
}
