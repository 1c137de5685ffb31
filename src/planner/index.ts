/** Pipeline → Plan: every open decision made, every figure predicted. */
import type { Pipeline } from "../checker/pipeline.js";
import type { Outcome } from "../diagnostics/index.js";
import type { Hardware } from "../hardware/types.js";
import { buildModel } from "../model/index.js";
import { costModel } from "./cost-model.js";
import { localModel } from "./local-model.js";
import { planPipeline } from "./pipeline-plan.js";
import type { Plan } from "./plan.js";
import type { CostModel, PlanOptions, StageContext } from "./types.js";

export { canonicalJson, planHash } from "./canonical.js";
export { ratesOf, uncalibrated } from "./local/index.js";
export { stageFeatures } from "./search/features.js";

/** An engine that only this machine has is our own runtime, with its own model; all others follow the physics of machines. */
const of = ({ engine }: StageContext): CostModel =>
  engine.can.providers?.length === 1 && engine.can.providers[0] === "local" ? localModel : costModel;

/** All that a model can say, so that whatever is added to the contract is passed on. */
const dispatch: Required<CostModel> = {
  layerCost: (context, kind, candidate) => of(context).layerCost(context, kind, candidate),
  evaluate: (context, candidate) => of(context).evaluate(context, candidate),
  splitting: (context, layout) => of(context).splitting?.(context, layout),
  lowerBound: (context, partial, limits) => of(context).lowerBound(context, partial, limits),
  groupBound: (context, group, limits) =>
    of(context).groupBound?.(context, group, limits) ?? { stepSeconds: 0, peakBytes: 0 },
  memoryPlan: (context, candidate) => of(context).memoryPlan(context, candidate),
  phasesPlan: (context, candidate) => of(context).phasesPlan?.(context, candidate),
  timePlan: (context, candidate) => of(context).timePlan(context, candidate),
};

export function plan(pipeline: Pipeline, hardware: Hardware, options: PlanOptions = {}): Outcome<Plan> {
  return planPipeline(pipeline, hardware, { build: buildModel, modelFor: () => dispatch }, options);
}
