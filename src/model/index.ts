/** Pipeline → ModelGraph. */
import type { Pipeline } from "../checker/pipeline.js";
import { buildGraph } from "./build.js";
import type { ModelGraph } from "./graph.js";

export { buildGraph } from "./build.js";
export type { BuildOptions } from "./builder.js";

/** The graph of a named model of a checked pipeline; the checker has made sure that the names exist. */
export function buildModel(
  pipeline: Pipeline,
  modelName: string,
  options: { readonly adapter?: string; readonly freeze?: readonly string[] } = {},
): ModelGraph {
  const spec = pipeline.models[modelName];
  if (spec === undefined) throw new Error(`the checked pipeline has no model ${modelName}`);
  const adapter = options.adapter === undefined ? undefined : pipeline.adapters[options.adapter];
  return buildGraph(spec, {
    ...(adapter === undefined ? {} : { adapter }),
    ...(options.freeze === undefined ? {} : { freeze: options.freeze }),
  });
}
