/** Pipeline → Plan: every open decision made, every figure predicted. */
import type { Pipeline } from "../checker/pipeline.js";
import type { Outcome } from "../diagnostics/index.js";
import type { Hardware } from "../hardware/types.js";
import { buildModel } from "../model/index.js";
import { costModel } from "./cost-model.js";
import { planPipeline } from "./pipeline-plan.js";
import type { Plan } from "./plan.js";
import type { CostModel, PlanOptions, StageContext } from "./types.js";

export { canonicalJson, planHash } from "./canonical.js";

/** Our own runtime is predicted by its own model of memory and time; all other engines by the physics of machines. */
const modelFor = (_context: StageContext): CostModel => costModel;

export function plan(pipeline: Pipeline, hardware: Hardware, options: PlanOptions = {}): Outcome<Plan> {
  return planPipeline(pipeline, hardware, { build: buildModel, modelFor }, options);
}
