/** Whether a plan's names lead anywhere: its stages are its pipeline's, what those name is in it, architectures are known. */
import type { Stage } from "../../checker/pipeline.js";
import type { Plan } from "../../planner/plan.js";
import { architectures } from "../../schema/index.js";

/** What is named and not there (`stages[0] names model student`), or undefined. */
export function unresolved(plan: Plan): string | undefined {
  const { pipeline } = plan;
  const has = (table: object, name: string): boolean => Object.hasOwn(table, name);
  const isModel = (name: string): boolean =>
    has(pipeline.models, name) || pipeline.stages.some((s) => s.name === name && has(pipeline.models, s.model.value));

  const named = function* (spec: Stage, precision: string): Generator<readonly [string, string, boolean]> {
    yield ["cluster", spec.on.value, has(pipeline.clusters, spec.on.value)];
    yield ["model", spec.model.value, has(pipeline.models, spec.model.value)];
    yield ["precision", precision, has(pipeline.precisions, precision)];
    yield ["mix", spec.data.value, has(pipeline.mixes, spec.data.value)];
    for (const phase of pipeline.mixes[spec.data.value]?.phases ?? [])
      for (const name of Object.keys(phase.weights)) yield ["dataset", name, has(pipeline.datasets, name)];
    if (spec.adapter !== undefined) yield ["adapter", spec.adapter.value, has(pipeline.adapters, spec.adapter.value)];
    if (spec.tokenizer !== undefined)
      yield ["tokenizer", spec.tokenizer.value, has(pipeline.tokenizers, spec.tokenizer.value)];
    const { teacher, reference, reward } = spec.objective.options;
    for (const model of [teacher?.value, reference?.value])
      if (typeof model === "string") yield ["model", model, isModel(model)];
    for (const name of [reward?.value ?? []].flat())
      yield ["reward", String(name), has(pipeline.rewards, String(name))];
  };

  for (const [name, { architecture }] of Object.entries(pipeline.models))
    if (!Object.hasOwn(architectures, architecture.value))
      return `model ${JSON.stringify(name)} has the architecture ${JSON.stringify(architecture.value)}, which is none of ${Object.keys(architectures).join(", ")}`;

  for (const [i, stage] of plan.stages.entries()) {
    const spec = pipeline.stages.find((s) => s.name === stage.name);
    if (spec === undefined) return `its pipeline lacks stage ${stage.name}`;
    for (const [what, name, there] of named(spec, stage.precision))
      if (!there) return `stages[${i}] names ${what} ${JSON.stringify(name)}, which its pipeline lacks`;
  }
  return undefined;
}
