/** What this runtime does not train yet, said before anything is loaded. */
import type { Precision, Stage } from "../../checker/pipeline.js";
import { runCodes } from "../../diagnostics/index.js";
import type { ModelGraph } from "../../model/graph.js";
import type { StagePlan } from "../../planner/plan.js";
import { isOptimizer, objectivePrograms, opPrograms } from "../../program/index.js";
import { worldSize } from "../collectives/index.js";
import { fail } from "../failure.js";

/** Those whose update of a part of a weight is the part of its update. */
const onAnyPart = ["adamw", "sgd"];
const computes = ["fp32", "tf32", "bf16", "fp16"];

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
  if (worldSize(plan.parallel) > 1 && !onAnyPart.includes(optimizer))
    no(`the optimizer ${optimizer} runs on one worker, and its layout has more`, "parallel = { data = 1 }");
  if (!computes.includes(precision.compute.value))
    no(`compute in ${precision.compute.value} is not emulated`, `it has ${computes.join(", ")}`);
  const { parallel } = plan;
  if (worldSize(parallel) > 1 && objectivePrograms[stage.objective.kind]?.anyLayout !== true)
    no(`the objective ${stage.objective.kind} runs on one worker, and its layout has more`, "parallel = { data = 1 }");
  const packed = Object.values(graph.kinds).some((k) => Object.values(k.weights).some((w) => w.stored !== undefined));
  if (worldSize(parallel) > 1 && packed)
    no("weights in 4 bits are on one worker, and its layout has more", "parallel = { data = 1 }");
  const routes = Object.values(graph.kinds).some((k) => k.ops.some((op) => op.kind === "router"));
  if (worldSize(parallel) > 1 && routes)
    no("a mixture of experts is on one worker, and its layout has more", "parallel = { data = 1 }");
  for (const kind of Object.values(graph.kinds))
    for (const op of kind.ops) {
      if (op.kind === "dropout" && Number(op.attrs.rate) > 0)
        no(
          `${op.attrs.adapter === true ? "the adapter" : "the model"} has dropout, which is not computed here`,
          "`dropout = 0` there, or `llmp emit engine`",
        );
      if (op.kind !== "cross_entropy" && opPrograms[op.kind] === undefined)
        no(`the model has ${op.kind} (${op.id}), which is not trained here`, "`llmp emit engine`");
    }
}
