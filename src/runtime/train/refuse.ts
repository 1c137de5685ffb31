/** What this runtime does not train yet, said before anything is loaded. */
import type { Precision, Stage } from "../../checker/pipeline.js";
import { runCodes } from "../../diagnostics/index.js";
import type { ModelGraph } from "../../model/graph.js";
import type { StagePlan } from "../../planner/plan.js";
import {
  eightBits,
  isComputed,
  isOptimizer,
  layoutRefusal,
  numericsOf,
  objectivePrograms,
} from "../../program/index.js";
import { worldSize } from "../collectives/index.js";
import { fail } from "../failure.js";

export function refuse(stage: Stage, plan: StagePlan, precision: Precision, graph: ModelGraph): void {
  const no = (why: string, hint: string): never =>
    fail(runCodes.report("LLMP6003", stage.span, { stage: stage.name, why }, { hints: [hint] }));
  if (plan.cluster.provider !== "local")
    no(`its cluster ${plan.cluster.name} is ${plan.cluster.provider}`, "`llmp emit` writes the job");
  if (plan.engine !== "llmp") no(`it is planned for the engine ${plan.engine}`, "engine = llmp runs in this process");
  if (objectivePrograms[stage.objective.kind] === undefined)
    no(`the objective ${stage.objective.kind} is planned and emitted, but not trained here`, "`llmp emit engine`");
  const optimizer = stage.optimizer.value.kind;
  if (!isOptimizer(optimizer)) no(`the optimizer ${optimizer} is not built in`, "`llmp emit engine`");
  const [compute, recipe] = [precision.compute.value, precision.recipe.value];
  const numerics = numericsOf(compute, recipe);
  if (numerics === undefined)
    no(
      compute.includes("fp8") ? `its fp8 recipe ${recipe} is not emulated` : `compute in ${compute} is not emulated`,
      "fp32, bf16, fp16, or fp8 with the recipe delayed, tensorwise, rowwise, blockwise or mx",
    );
  const refusal =
    worldSize(plan.parallel) > 1 ? layoutRefusal(optimizer, eightBits(numerics), graph, plan.parallel) : undefined;
  if (refusal !== undefined)
    no(
      refusal,
      `parallel = { ${eightBits(numerics) === "delayed" ? "data = 1, " : ""}tensor = 1, context = 1, shard = "none" }`,
    );
  for (const kind of Object.values(graph.kinds))
    for (const op of kind.ops) {
      if (op.kind === "dropout" && objectivePrograms[stage.objective.kind]?.dropout !== true)
        no(
          `${op.attrs.adapter === true ? "the adapter" : "the model"} has dropout, which ${stage.objective.kind} is not trained with here`,
          "`dropout = 0` there, or `llmp emit engine`",
        );
      if (!isComputed(op)) no(`the model has ${op.kind} (${op.id}), which is not trained here`, "`llmp emit engine`");
    }
}
