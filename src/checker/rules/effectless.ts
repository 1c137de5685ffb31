/** Keys that are legal but change nothing where they stand. Nothing is ignored in silence. */
import { modelCodes } from "../../diagnostics/index.js";
import type { Known } from "../pipeline.js";
import type { Rule } from "./rule.js";

export const effectlessRule: Rule = (draft, context) => {
  const say = (key: string, known: Known<unknown> | undefined, reason: string): void => {
    if (known?.span === undefined || known.from !== "file") return;
    context.report(modelCodes.report("LLMP3040", known.span, { key, reason }));
  };
  for (const cluster of Object.values(draft.clusters)) {
    const provider = cluster.provider.value;
    if (provider !== "hyperpod" && cluster.orchestrator !== undefined)
      say("orchestrator", cluster.orchestrator, `a ${provider} cluster has one way to start jobs`);
    if (provider === "local") say("region", cluster.region, "this machine is in no region");
  }
  for (const precision of Object.values(draft.precisions)) {
    const { compute, recipe } = precision;
    if (compute.value !== "fp8" && compute.value !== "mxfp8")
      say("recipe", recipe, "only fp8 and mxfp8 have scales to find");
  }
  for (const reward of Object.values(draft.rewards)) {
    if (reward.kind.value !== "regex") say("pattern", reward.pattern, `a ${reward.kind.value} reward matches nothing`);
    if (reward.kind.value !== "command") say("command", reward.command, `a ${reward.kind.value} reward runs nothing`);
  }
  for (const tokenizer of Object.values(draft.tokenizers)) {
    if (tokenizer.kind.value === "bytes") say("file", tokenizer.file, "a byte tokenizer needs none");
  }
};
