import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Adapter, Pipeline, Stage } from "../../src/checker/pipeline.js";
import type { ModelGraph, WeightSpec } from "../../src/model/graph.js";
import { openCheckpoints } from "../../src/runtime/checkpoint/index.js";
import type { NamedTensor } from "../../src/runtime/interfaces.js";
import { byteTokenizer } from "../../src/runtime/tokenizer/index.js";
import {
  concreteWeights,
  forGraph,
  initialSource,
  namedSource,
  openSourceWeights,
  openWeights,
  readAdapter,
} from "../../src/runtime/weights/index.js";

const fixtures = join(import.meta.dirname, "..", "weights", "fixtures");
const known = <T>(value: T) => ({ value, from: "file" as const });

async function all(path: string): Promise<NamedTensor[]> {
  const store = openWeights(path);
  const out: NamedTensor[] = [];
  for (const name of store.names()) out.push((await store.read(name)) as NamedTensor);
  return out;
}

/** A graph with just the weights of a checkpoint: embedding, layers, head. */
function graphOf(tensors: readonly NamedTensor[], tied = false): ModelGraph {
  const kinds: Record<string, { weights: Record<string, WeightSpec> }> = {
    embedding: { weights: {} },
    layer: { weights: {} },
    head: { weights: {} },
  };
  for (const { name, shape } of tensors) {
    if (/layers\.[1-9]/.test(name)) continue;
    const kind = name.includes("embed_tokens") ? "embedding" : name.includes("layers.0") ? "layer" : "head";
    const pattern = name.replace("layers.0", "layers.{layer}");
    const spec = {
      name: pattern,
      shape,
      split: {},
      trainable: true,
      decay: true,
      init: { kind: "zeros" },
      copies: 1,
    } as const;
    (kinds[kind] as { weights: Record<string, WeightSpec> }).weights[pattern] =
      tied && name === "lm_head.weight" ? { ...spec, tiedTo: "model.embed_tokens.weight" } : spec;
  }
  return { kinds, stack: ["embedding", "layer", "layer", "head"] } as unknown as ModelGraph;
}

test("names of all layers; a checkpoint of the same model fits, another does not", async () => {
  const tensors = await all(join(fixtures, "llama2"));
  const graph = graphOf(tensors);
  expect(new Set(concreteWeights(graph).map((w) => w.name))).toEqual(new Set(tensors.map((t) => t.name)));
  const open = (name: string) => forGraph(openWeights(join(fixtures, name)), graph, name);
  expect(open("llama2").unused).toEqual([]);
  expect(() => open("gpt2")).toThrow(/LLMP6202.*gpt2: weight model.embed_tokens.weight and \d+ more are missing/);
  // Fewer key and value heads: the same names, other shapes.
  await expect(open("llama3").read("model.layers.1.self_attn.k_proj.weight")).rejects.toThrow(
    /is \[8, 16\], and the model needs \[16, 16\]/,
  );
});

test("final/ has merged weights, the adapter, configuration and tokenizer; tied weights once", async () => {
  const base = await all(join(fixtures, "llama2"));
  const { lora } = await readAdapter(join(fixtures, "llama2_lora"));
  const adapter: Adapter = {
    name: "a",
    kind: known("lora"),
    rank: known(2),
    alpha: known(6),
    dropout: known(0),
    targets: known(["q_proj"]),
  };
  const stageFolder = mkdtempSync(join(tmpdir(), "llmp-final-"));
  const files = { ...byteTokenizer().files(), "config.json": "{}" };
  const store = openCheckpoints({ stageFolder, planHash: "p", files, adapter, baseModel: "base" });
  const path = await store.export([...base, ...lora], graphOf(base, true));
  expect(path).toBe(join(stageFolder, "final"));
  const written = new Map((await all(path)).map((t) => [t.name, t]));
  expect(written.has("lm_head.weight")).toBe(false);
  expect(written.size).toBe(base.length - 1);
  const expected = JSON.parse(readFileSync(join(fixtures, "llama2_lora", "merged.json"), "utf8")) as Record<
    string,
    number[]
  >;
  for (const [name, values] of Object.entries(expected))
    for (const [i, value] of values.entries()) expect(written.get(name)?.values[i]).toBeCloseTo(value, 5);
  for (const file of [
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "adapter/adapter_config.json",
    "adapter/adapter_model.safetensors",
  ])
    expect(existsSync(join(path, file)), file).toBe(true);
  // Again, over an older one.
  writeFileSync(join(path, "stale"), "");
  await store.export(base, graphOf(base));
  expect(existsSync(join(path, "stale"))).toBe(false);
});

test("a stage starts from the stage before, from a folder, or anew; a teacher is a stage or a model", async () => {
  const root = mkdtempSync(join(tmpdir(), "llmp-initial-"));
  const runFolder = join(root, "runs", "r");
  const stage = (name: string, model: string, startsFrom?: string) =>
    ({ name, model: known(model), ...(startsFrom === undefined ? {} : { startsFrom }) }) as unknown as Stage;
  const stages = [stage("one", "fresh"), stage("two", "fresh", "one"), stage("three", "given")];
  const models = { fresh: {}, given: { weights: known("w") }, teacher: { weights: known(join(fixtures, "llama2")) } };
  const places = { pipeline: { stages, models } as unknown as Pipeline, root, runFolder };
  expect(initialSource(stages[0] as Stage, places)).toEqual({ model: "fresh" });
  expect(initialSource(stages[2] as Stage, places)).toEqual({ model: "given", folder: join(root, "w") });
  expect(() => initialSource(stages[1] as Stage, places)).toThrow(/LLMP6203.*stage one has not finished/);
  mkdirSync(join(runFolder, "one", "final"), { recursive: true });
  expect(initialSource(stages[1] as Stage, places)).toEqual({
    model: "fresh",
    folder: join(runFolder, "one", "final"),
  });
  expect(namedSource("one", places)).toEqual({ model: "fresh", folder: join(runFolder, "one", "final") });
  const all2 = await all(join(fixtures, "llama2"));
  const { store, diagnostics } = openSourceWeights(
    namedSource("teacher", places),
    graphOf(all2.filter((t) => t.name !== "model.norm.weight")),
  );
  expect(store?.names()).toHaveLength(all2.length - 1);
  expect(diagnostics.map((d) => `${d.code} ${d.message}`)).toEqual([
    expect.stringMatching(/LLMP6204.*1 weights.*model.norm.weight/),
  ]);
});
