/** Graphs of the tiny transformers models in test/weights/fixtures, described in our own language; and their weights. */
import { join } from "node:path";
import { check } from "../../src/checker/index.js";
import type { ModelSpec } from "../../src/checker/pipeline.js";
import { nodeHost } from "../../src/cli/host.js";
import type { ModelGraph } from "../../src/model/graph.js";
import { buildGraph } from "../../src/model/index.js";
import { parse } from "../../src/parser/index.js";
import { storedWeights } from "../../src/program/index.js";
import { forGraph, openWeights } from "../../src/runtime/weights/index.js";

const common = "layers = 2, hidden = 16, heads = 4, ffn = 24, vocab = 64, context_length = 64";
const blocks: Readonly<Record<string, string>> = {
  llama2: `architecture = llama, ${common}, kv_heads = 4, norm_eps = 1e-6`,
  llama32: `architecture = llama, ${common}, kv_heads = 2, norm_eps = 1e-6, tied_embeddings = true`,
};

export const fixtures = join(import.meta.dirname, "../weights/fixtures");

export function specOf(name: string, block: string = blocks[name]!): ModelSpec {
  const text = `model m {\n  ${block.replaceAll(", ", "\n  ")}\n}\n`;
  const { value: ast, diagnostics } = parse({ path: "m.llmp", text });
  const { value, diagnostics: more } = check(ast, nodeHost(), {});
  const faults = [...diagnostics, ...more].filter((d) => d.severity === "error");
  // A model alone is no pipeline; nothing else may be wrong.
  const other = faults.filter((d) => !/no train|stage/i.test(d.message));
  if (other.length > 0) throw new Error(other.map((d) => d.message).join("\n"));
  return value!.models.m!;
}

export async function fixtureModel(
  name: string,
): Promise<{ readonly graph: ModelGraph; readonly values: ReadonlyMap<string, Float32Array> }> {
  const graph = buildGraph(specOf(name));
  const folder = join(fixtures, name);
  const store = forGraph(openWeights(folder), graph, folder);
  const values = new Map<string, Float32Array>();
  for (const { name: weight } of storedWeights(graph)) values.set(weight, (await store.read(weight))!.values);
  await store.close();
  return { graph, values };
}
