import type { Pipeline, Stage } from "../../checker/pipeline.js";
import { objectivePrograms } from "../../program/index.js";

export interface Beside {
  /** Name in `models`. */
  readonly model: string;
  /** What the file names as teacher or reference; undefined: the weights that the stage starts with. */
  readonly named: string | undefined;
}

/** The frozen model that the stage's objective has beside the trained one. */
export function besideOf(pipeline: Pipeline, stage: Stage): Beside | undefined {
  const { kind, options } = stage.objective;
  const role = objectivePrograms[kind]?.role(options);
  if (role === undefined) return undefined;
  const named = options[role]?.value;
  if (typeof named !== "string") return { model: stage.model.value, named: undefined };
  return { model: pipeline.stages.find((s) => s.name === named)?.model.value ?? named, named };
}
