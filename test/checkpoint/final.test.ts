import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Adapter } from "../../src/checker/pipeline.js";
import type { ModelGraph, WeightSpec } from "../../src/model/graph.js";
import { openCheckpoints } from "../../src/runtime/checkpoint/index.js";
import type { NamedTensor } from "../../src/runtime/interfaces.js";
import { byteTokenizer } from "../../src/runtime/tokenizer/index.js";
import { concreteWeights, forGraph, openWeights, readAdapter } from "../../src/runtime/weights/index.js";

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
