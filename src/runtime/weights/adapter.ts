/** LoRA (Hu et al. 2021): W + (alpha / rank) · B·A, and PEFT's files for it. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Adapter } from "../../checker/pipeline.js";
import { runCodes } from "../../diagnostics/index.js";
import type { ModelGraph } from "../../model/graph.js";
import { fail } from "../failure.js";
import type { NamedTensor } from "../interfaces.js";
import { openWeights } from "./folder.js";
import { joinAdapters } from "./join.js";
import { concreteWeights } from "./names.js";
import { writeSafetensors } from "./safetensors.js";

const loraName = /^(?:base_model\.model\.)?(.*)\.lora_([AB])\.(?:default\.)?weight$/;

export function splitAdapter(weights: readonly NamedTensor[]): { base: NamedTensor[]; lora: NamedTensor[] } {
  const lora = weights
    .filter((w) => loraName.test(w.name))
    .map((w) => ({ ...w, name: w.name.replace(/^base_model\.model\./, "") }));
  return { base: weights.filter((w) => !loraName.test(w.name)), lora };
}

/**
 * Adds each pair A [rank, in], B [out, rank] to its module's weight [out, in].
 * @param graph which weights are stored [in, out] (GPT-2's Conv1D); without it their shape must tell
 */
export function mergeAdapter(
  base: readonly NamedTensor[],
  lora: readonly NamedTensor[],
  adapter: Pick<Adapter, "rank" | "alpha">,
  graph?: ModelGraph,
): NamedTensor[] {
  const transposed = new Map(
    (graph === undefined ? [] : concreteWeights(graph)).map((w) => [w.name, w.spec.transposed === true]),
  );
  const pairs = new Map<string, { A?: NamedTensor; B?: NamedTensor }>();
  for (const tensor of lora) {
    const [, module = "", side = ""] = loraName.exec(tensor.name) ?? [];
    pairs.set(module, { ...pairs.get(module), [side]: tensor });
  }
  const scale = adapter.alpha.value / adapter.rank.value;
  const merged = base.map((weight) => {
    const module = weight.name.replace(/\.weight$/, "");
    const pair = pairs.get(module);
    if (pair === undefined) return weight;
    pairs.delete(module);
    const { A, B } = pair;
    if (A === undefined || B === undefined)
      return fail(runCodes.report("LLMP6205", undefined, { path: module, why: "has only one of lora_A and lora_B" }));
    return { ...weight, values: added(weight, A, B, scale, transposed.get(weight.name)) };
  });
  const [left] = pairs.keys();
  if (left !== undefined)
    fail(runCodes.report("LLMP6205", undefined, { path: left, why: "the model has no such weight" }));
  return merged;
}

function added(
  weight: NamedTensor,
  A: NamedTensor,
  B: NamedTensor,
  scale: number,
  transposed: boolean | undefined,
): Float32Array {
  const [rank = 0, inputs = 0] = A.shape;
  const [outputs = 0] = B.shape;
  const [rows, columns] = weight.shape;
  const plain = transposed !== true && rows === outputs && columns === inputs;
  if (B.shape[1] !== rank || (!plain && !(rows === inputs && columns === outputs)))
    fail(
      runCodes.report("LLMP6205", undefined, {
        path: weight.name,
        why: `A [${A.shape}] and B [${B.shape}] do not fit a weight of [${weight.shape}]`,
      }),
    );
  const out = weight.values.slice();
  const row = new Float64Array(inputs);
  for (let o = 0; o < outputs; o++) {
    row.fill(0);
    for (let r = 0; r < rank; r++) {
      const b = B.values[o * rank + r] as number;
      for (let i = 0; i < inputs; i++) row[i] = (row[i] as number) + b * (A.values[r * inputs + i] as number);
    }
    for (let i = 0; i < inputs; i++) {
      const at = plain ? o * inputs + i : i * outputs + o;
      out[at] = (out[at] as number) + scale * (row[i] as number);
    }
  }
  return out;
}

/**
 * `adapter_model.safetensors` and `adapter_config.json` as `peft` writes them (checked with peft 0.21).
 * @param graph for models whose checkpoints hold the adapted weights inside other tensors
 */
export function writeAdapter(
  folder: string,
  lora: readonly NamedTensor[],
  adapter: Adapter,
  baseModel: string,
  graph?: ModelGraph,
): void {
  mkdirSync(folder, { recursive: true });
  const joined = graph === undefined ? { lora, times: new Map<string, number>() } : joinAdapters(lora, graph);
  const pattern = (value: number) => Object.fromEntries([...joined.times].map(([module, n]) => [module, n * value]));
  const named = joined.lora.map((t) => {
    const [, module = "", side = ""] = loraName.exec(t.name) ?? [];
    return { ...t, name: `base_model.model.${module}.lora_${side}.weight` };
  });
  named.sort((a, b) => (a.name < b.name ? -1 : 1));
  writeSafetensors(
    join(folder, "adapter_model.safetensors"),
    named.map(({ name, shape, values }) => ({ name, shape, dtype: "F32", values: () => values })),
  );
  const modules = new Set(named.map((t) => t.name.split(".").at(-3) ?? ""));
  const config = {
    base_model_name_or_path: baseModel,
    bias: "none",
    fan_in_fan_out: [...modules].some((m) => /^c_(attn|proj|fc)$/.test(m)),
    inference_mode: true,
    alpha_pattern: pattern(adapter.alpha.value),
    lora_alpha: adapter.alpha.value,
    lora_dropout: adapter.dropout.value,
    peft_type: "LORA",
    r: adapter.rank.value,
    rank_pattern: pattern(adapter.rank.value),
    target_modules: [...modules].sort(),
    task_type: "CAUSAL_LM",
    use_dora: false,
    use_rslora: false,
  };
  writeFileSync(join(folder, "adapter_config.json"), `${JSON.stringify(config, null, 2)}\n`, { flush: true });
}

/** A PEFT folder: weights under our names, and its rank and alpha. */
export async function readAdapter(folder: string): Promise<{ lora: NamedTensor[]; rank: number; alpha: number }> {
  const file = join(folder, "adapter_config.json");
  if (!existsSync(file))
    fail(runCodes.report("LLMP6205", undefined, { path: folder, why: "it has no adapter_config.json" }));
  const config = adapterConfig(readFileSync(file, "utf8"), folder);
  const store = openWeights(join(folder, "adapter_model.safetensors"));
  const lora: NamedTensor[] = [];
  for (const name of store.names()) {
    const tensor = await store.read(name);
    if (tensor !== undefined)
      lora.push(ownScale({ ...tensor, name: name.replace(/^base_model\.model\./, "") }, config));
  }
  await store.close();
  return { lora, rank: config.r, alpha: config.lora_alpha };
}

interface Scales {
  readonly r: number;
  readonly lora_alpha: number;
  readonly rank_pattern: Readonly<Record<string, number>>;
  readonly alpha_pattern: Readonly<Record<string, number>>;
}

/** What scales the weights in an `adapter_config.json`, which comes from anywhere. */
function adapterConfig(text: string, folder: string): Scales {
  const refuse = (why: string): never => fail(runCodes.report("LLMP6205", undefined, { path: folder, why }));
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    refuse(`adapter_config.json: ${(error as Error).message}`);
  }
  if (typeof json !== "object" || json === null || Array.isArray(json))
    refuse("adapter_config.json is not a JSON object");
  const config = json as Readonly<Record<string, unknown>>;
  if (config.use_dora === true) refuse("it is DoRA, not plain LoRA");
  if (config.use_rslora === true) refuse("it is rank-stabilised LoRA, not plain LoRA");
  if (config.peft_type !== "LORA") refuse(`it is ${JSON.stringify(config.peft_type) ?? "of no kind"}, not plain LoRA`);
  const size = (value: unknown, what: string): number =>
    typeof value === "number" && Number.isFinite(value) && value > 0
      ? value
      : refuse(`${what} of adapter_config.json is not a number above 0`);
  const pattern = (key: string): Readonly<Record<string, number>> => {
    const given = config[key] ?? {};
    if (typeof given !== "object" || Array.isArray(given))
      return refuse(`${key} of adapter_config.json is not an object`);
    return Object.fromEntries(Object.entries(given).map(([name, value]) => [name, size(value, `${key} of ${name}`)]));
  };
  return {
    r: size(config.r, "r"),
    lora_alpha: size(config.lora_alpha, "lora_alpha"),
    rank_pattern: pattern("rank_pattern"),
    alpha_pattern: pattern("alpha_pattern"),
  };
}

/** Modules with a rank or alpha of their own: their B takes the difference in, so that one scale fits all. */
function ownScale(tensor: NamedTensor, config: Scales): NamedTensor {
  const [, module = "", side = ""] = loraName.exec(tensor.name) ?? [];
  const { r, lora_alpha: alpha } = config;
  const of = (pattern: Readonly<Record<string, number>>, otherwise: number): number =>
    Object.entries(pattern).find(([name]) => module === name || module.endsWith(`.${name}`))?.[1] ?? otherwise;
  const factor = of(config.alpha_pattern, alpha) / of(config.rank_pattern, r) / (alpha / r);
  return side !== "B" || factor === 1 ? tensor : { ...tensor, values: tensor.values.map((v) => v * factor) };
}
