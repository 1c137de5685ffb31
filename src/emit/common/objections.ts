/**
 * What a stage asks of its engine and the engine's descriptor denies. The planner asks the same table, so only a plan that
 * was edited by hand, or made for another engine, meets this; lowerings refuse what only they know (pairs of settings).
 */
import { engineByName, engineObjections } from "../../catalog/index.js";
import type { EngineDescriptor } from "../../catalog/types.js";
import type { Diagnostic } from "../../diagnostics/index.js";
import { stageFeatures } from "../../planner/index.js";
import { evenChunks, offloads, recomputeRule, refuse } from "./lower.js";
import type { StageView } from "./stage.js";

const axes = ["tensor", "pipeline", "context", "expert"] as const;

export function objectionsTo(view: StageView): Diagnostic[] {
  const engine = engineByName(view.stage.engine);
  if (engine === undefined) return [];
  const { plan, spec, stage, model, precision } = view;
  const traits = {
    provider: stage.cluster.provider,
    // A machine's maker is the planner's business: which containers there are is each target's.
    vendor: engine.can.vendors[0] ?? "",
    objective: spec.objective.kind,
    architecture: model.architecture.value,
    ...(view.adapter === undefined ? {} : { adapter: view.adapter.kind.value }),
    precision: precision.compute.value,
    optimizer: view.optimizer.kind,
    shard: stage.parallel.shard,
    axes: axes.filter((axis) => stage.parallel[axis] > 1),
    mixSchedule: view.mix.phases.length > 1,
    features: stageFeatures(plan.pipeline, spec, model, precision),
  };
  return [
    ...engineObjections(engine, traits).map(([what, reason]) => refuse(view, inWords(what), reason)),
    ...layoutObjections(view, engine),
  ];
}

function layoutObjections(view: StageView, { name, can }: EngineDescriptor): Diagnostic[] {
  const { parallel, recompute } = view.stage;
  const found: Diagnostic[] = [];
  const no = (what: string, ...keys: readonly string[]): void => {
    const reason = keys.map((key) => can.because[key]).find((r) => r !== undefined);
    found.push(refuse(view, what, reason ?? `${name} has no word for it`));
  };
  const rule = recomputeRule(view).kind;
  const kind = rule === "mixed" ? "perLayer" : rule;
  if (!can.recompute.includes(kind) && !can.recompute.includes("perLayer"))
    no(`recompute ${recompute.summary}`, `recompute.${kind}`, "recompute");
  for (const what of ["activations", "optimizer"] as const)
    if (offloads(view, what) && !can.offload.includes(what)) no(`offload of ${what}`, `offload.${what}`, "offload");
  if (parallel.pipeline > 1 && can.pipeline) {
    if (!can.schedules.includes(parallel.schedule))
      no(`the ${parallel.schedule} schedule`, `schedules.${parallel.schedule}`, "schedules");
    if (!can.unevenPipeline && !evenChunks(view)) no("an uneven pipeline split", "unevenPipeline");
  }
  return found;
}

/** `optimizers.muon` → "optimizer muon", `tensor` → "tensor parallelism", `llama.tied_embeddings` → "llama tied embeddings". */
function inWords(key: string): string {
  const [group = "", ...rest] = key.split(".");
  if (axes.some((axis) => axis === key)) return `${key} parallelism`;
  const single = rest.length > 0 && group.endsWith("s") ? group.slice(0, -1) : group;
  return [single, ...rest].join(" ").replace(/_/g, " ");
}
