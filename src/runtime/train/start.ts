import type { ModelGraph } from "../../model/graph.js";
import { storedWeights } from "../../program/index.js";
import type { WeightStore } from "../interfaces.js";

/** A model's weights from a folder, by `weight/NAME`; those that it lacks are left to the seed. */
export async function readWeights(
  graph: ModelGraph,
  store: WeightStore | undefined,
): Promise<Map<string, Float32Array>> {
  const values = new Map<string, Float32Array>();
  for (const { name } of store === undefined ? [] : storedWeights(graph)) {
    const tensor = await store?.read(name);
    if (tensor !== undefined) values.set(`weight/${name}`, tensor.values);
  }
  return values;
}
