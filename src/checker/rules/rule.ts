import type { Draft } from "../assemble.js";
import type { Context } from "../context.js";
import type { ModelSpec, Stage } from "../pipeline.js";

/** A rule looks at the draft of the pipeline and reports; it changes nothing. */
export type Rule = (draft: Draft, context: Context) => void;

export function eachStage(draft: Draft, visit: (stage: Stage, model: ModelSpec | undefined) => void): void {
  for (const stage of draft.stages) visit(stage, draft.models[stage.model.value]);
}
