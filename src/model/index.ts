/** Pipeline → ModelGraph. */
import type { Pipeline } from "../checker/pipeline.js";
import { buildGraph } from "./build.js";
import type { ModelGraph } from "./graph.js";

export { buildGraph } from "./build.js";
export type { BuildOptions } from "./builder.js";
export { type FieldValue, fieldsOf, type ModelFields, modelBlock, numberText } from "./fields.js";
export {
  attended,
  bytesPerToken,
  figuresOf,
  forwardFlops,
  type GraphFigures,
  type KindFigures,
  type OpFigures,
} from "./figures.js";
export { hfFamily, type Json } from "./hf/families.js";
export { hfLosses } from "./hf/losses.js";
export { fromHfConfig } from "./hf/read.js";
export { isRecord } from "./hf/reader.js";
export { hfConfigText } from "./hf/text.js";
export { toHfConfig, toHfGenerationConfig } from "./hf/write.js";
export {
  type CacheForm,
  cacheBytes,
  cacheOf,
  type ObjectiveGraph,
  objectiveGraph,
  type Phase,
  type PhaseFigures,
  phaseFigures,
  type Role,
  type RoleModel,
  spanFlops,
} from "./objective.js";
export { type Kernels, type SavedParts, savedParts, savedTensors } from "./saved.js";

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
