/** Graphs of the tiny transformers models in test/weights/fixtures, and their weights. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ModelSpec } from "../../src/checker/pipeline.js";
import type { ModelGraph } from "../../src/model/graph.js";
import { buildGraph, fromHfConfig, modelBlock } from "../../src/model/index.js";
import { storedWeights } from "../../src/program/index.js";
import { forGraph, openWeights } from "../../src/runtime/weights/index.js";
import { checkText } from "../checker/helpers.js";

export interface FixtureModel {
  readonly graph: ModelGraph;
  readonly values: ReadonlyMap<string, Float32Array>;
}

/** @param block entries of a model block, by comma */
export function specOf(block: string): ModelSpec {
  const spec = checkText(`model m {\n  ${block.replaceAll(", ", "\n  ")}\n}\n`).value?.models.m;
  if (spec === undefined) throw new Error(`no model: ${block}`);
  return spec;
}

export async function fixtureModel(name: string): Promise<FixtureModel> {
  const folder = join(import.meta.dirname, "../weights/fixtures", name);
  const { value } = fromHfConfig(JSON.parse(readFileSync(join(folder, "config.json"), "utf8")), name);
  const spec = checkText(modelBlock("m", value ?? {})).value?.models.m;
  if (spec === undefined) throw new Error(`${name} is no model`);
  const graph = buildGraph(spec);
  const store = forGraph(openWeights(folder), graph, folder);
  const values = new Map<string, Float32Array>();
  for (const { name: weight } of storedWeights(graph)) values.set(weight, (await store.read(weight))!.values);
  await store.close();
  return { graph, values };
}
