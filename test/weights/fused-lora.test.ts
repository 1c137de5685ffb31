/** LoRA on models whose checkpoints hold projections inside other tensors: merged weights, and PEFT's files. */
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { buildGraph, fromHfConfig, modelBlock } from "../../src/model/index.js";
import { exportModel } from "../../src/runtime/checkpoint/index.js";
import type { NamedTensor } from "../../src/runtime/interfaces.js";
import { initialValues } from "../../src/runtime/train/index.js";
import { concreteWeights, forGraph, mergeAdapter, openWeights, readAdapter } from "../../src/runtime/weights/index.js";
import { checkText } from "../checker/helpers.js";

const fixtures = join(import.meta.dirname, "fixtures");

async function all(path: string): Promise<NamedTensor[]> {
  const store = openWeights(path);
  const out: NamedTensor[] = [];
  for (const name of store.names()) out.push((await store.read(name)) as NamedTensor);
  await store.close();
  return out;
}

/** A checkpoint with an adapter on `targets` whose A and B are both random, exported. */
async function exported(name: string, targets: string) {
  const { value } = fromHfConfig(JSON.parse(readFileSync(join(fixtures, name, "config.json"), "utf8")), name);
  const text = `${modelBlock("m", value ?? {})}adapter a { kind = lora, rank = 2, alpha = 6, targets = ${targets} }\n`;
  const pipeline = checkText(text).value!;
  const adapter = pipeline.adapters.a!;
  const graph = buildGraph(pipeline.models.m!, { adapter });
  const store = forGraph(openWeights(join(fixtures, name)), graph, name);
  const weights: NamedTensor[] = [];
  for (const { name: own, spec, tiedTo } of concreteWeights(graph)) {
    if (tiedTo !== undefined) continue;
    const values = initialValues({ name: own, spec: { ...spec, init: { kind: "normal", std: 0.1 } } }, 3);
    weights.push((await store.read(own)) ?? { name: own, shape: spec.shape, values });
  }
  const folder = join(mkdtempSync(join(tmpdir(), "llmp-fused-")), "final");
  exportModel(weights, graph, { folder, files: {}, adapter, baseModel: name });
  return { folder, adapter, graph, weights };
}

describe.each([
  ["gpt2", "[q_proj, v_proj, o_proj, up_proj]", ["c_attn", "c_fc", "c_proj"]],
  ["phi3", "all_linear", ["down_proj", "gate_up_proj", "o_proj", "qkv_proj"]],
] as const)("%s with an adapter on %s", (name, targets, modules) => {
  test("PEFT's files name the checkpoint's modules, and merge to the weights that were merged here", async () => {
    const { folder, graph, weights } = await exported(name, targets);
    const merged = new Map((await all(folder)).map((t) => [t.name, t]));
    const config = JSON.parse(readFileSync(join(folder, "adapter", "adapter_config.json"), "utf8"));
    expect(config.target_modules).toEqual(modules);
    const { lora, rank, alpha } = await readAdapter(join(folder, "adapter"));
    expect([rank, alpha]).toEqual([2, 6]);
    const base = await all(join(fixtures, name));
    const known = <T>(value: T) => ({ value, from: "file" as const });
    // The graph tells which weights are stored [in, out]; a square one does not.
    const again = mergeAdapter(base, lora, { rank: known(rank), alpha: known(alpha) }, graph);
    let changed = 0;
    for (const tensor of again) {
      const other = merged.get(tensor.name);
      expect(other?.shape, tensor.name).toEqual(tensor.shape);
      for (const [i, v] of tensor.values.entries()) expect(v).toBeCloseTo(other?.values[i] ?? Number.NaN, 5);
      if (tensor.values.some((v, i) => v !== base.find((b) => b.name === tensor.name)?.values[i])) changed++;
    }
    expect(changed).toBe(2 * modules.length);
    expect(weights.length).toBeGreaterThan(again.length);
  });
});
