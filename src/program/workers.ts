import type { Precision, Stage } from "../checker/pipeline.js";
import type { ModelGraph } from "../model/graph.js";
import { numericsOf } from "./numerics.js";
import { objectivePrograms } from "./objectives/index.js";

/** Those whose update of a part of a weight is the part of its update. */
const onAnyPart = ["adamw", "sgd"];

/** Why a stage trains on one worker only; undefined: on as many as its layout has. The planner and the runtime ask. */
export function oneWorkerOnly(
  stage: Pick<Stage, "objective" | "optimizer">,
  precision: Pick<Precision, "compute" | "recipe">,
  graph: ModelGraph,
): string | undefined {
  const optimizer = stage.optimizer.value.kind;
  if (!onAnyPart.includes(optimizer)) return `the optimizer ${optimizer} runs on one worker`;
  if (numericsOf(precision.compute.value, precision.recipe.value)?.fp8 !== undefined)
    return "fp8 is emulated on one worker";
  if (objectivePrograms[stage.objective.kind]?.anyLayout !== true)
    return `the objective ${stage.objective.kind} runs on one worker`;
  const kinds = Object.values(graph.kinds);
  if (kinds.some((k) => Object.values(k.weights).some((w) => w.stored !== undefined)))
    return "weights in 4 bits are on one worker";
  if (kinds.some((k) => k.ops.some((op) => op.kind === "dropout" && op.attrs.adapter === true)))
    return "an adapter's dropout is on one worker";
  if (kinds.some((k) => k.ops.some((op) => op.kind === "router"))) return "a mixture of experts is on one worker";
  return undefined;
}
