import type { Stage } from "../../checker/pipeline.js";
import type { Seconds } from "../../units/index.js";

/** Time between saves as the file says; undefined: the planner takes the best. */
export function saveEverySeconds(stage: Stage, step: Seconds): Seconds | undefined {
  const save = stage.save?.value;
  if (save === undefined) return undefined;
  if (save.unit === "seconds") return save.amount;
  if (save.unit === "steps") return save.amount * step;
  const batch = stage.batch.value;
  const context = stage.contextLength.value.kind === "fixed" ? stage.contextLength.value.value : 1;
  const tokens = batch.unit === "tokens" ? batch.amount : batch.amount * context;
  return (save.amount / tokens) * step;
}
