import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ModelSpec } from "../../src/checker/index.js";
import { families } from "../../src/checker/index.js";
import { buildGraph, fieldsOf, fromHfConfig, hfLosses, modelBlock, toHfConfig } from "../../src/model/index.js";
import { checkFile, checkText } from "../checker/helpers.js";

const models = families.flatMap((family) => Object.entries(checkFile(`std/${family}.llmp`).value?.models ?? {}));

function imported(json: unknown): { readonly spec: ModelSpec; readonly warnings: readonly string[]; text: string } {
  const { value, diagnostics } = fromHfConfig(json, "config.json");
  if (value === undefined) throw new Error(diagnostics.map((d) => d.message).join("\n"));
  const text = modelBlock("m", value);
  const checked = checkText(text);
  expect(checked.diagnostics).toEqual([]);
  return { spec: checked.value?.models.m as ModelSpec, warnings: diagnostics.map((d) => d.message), text };
}

/** What has no place in a `config.json`. */
const outside = ["imbalance", "capacity_factor"];
const comparable = (spec: ModelSpec) =>
  Object.fromEntries(Object.entries(fieldsOf(spec)).filter(([key]) => !outside.includes(key)));

describe("a model, as config.json and back", () => {
  test.each(models)("%s is the same model", (_, spec) => {
    const { spec: back, warnings } = imported(JSON.parse(JSON.stringify(toHfConfig(spec))));
    expect(warnings).toEqual([]);
    expect(comparable(back)).toEqual(comparable(spec));
    expect(buildGraph(back).parameters).toBe(buildGraph(spec).parameters);
    expect(hfLosses(spec)).toEqual([]);
  });
});

const fixtures = new URL("../weights/fixtures/", import.meta.url);
const tiny = readdirSync(fixtures).filter((f) => readdirSync(new URL(f, fixtures)).includes("config.json"));

describe("files that transformers wrote", () => {
  test.each(tiny)("%s: as many parameters as the safetensors hold", (name) => {
    const config = JSON.parse(readFileSync(new URL(`${name}/config.json`, fixtures), "utf8"));
    const { spec, warnings } = imported(config);
    expect(warnings).toEqual(name === "deepseek_v3" ? ["not carried over: the multi-token-prediction module"] : []);
    const bytes = readFileSync(new URL(`${name}/model.safetensors`, fixtures));
    const length = Number(bytes.readBigUInt64LE());
    const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as Record<string, { shape?: number[] }>;
    const stored = Object.values(header).reduce((n, t) => n + (t.shape?.reduce((a, b) => a * b, 1) ?? 0), 0);
    expect(buildGraph(spec).parameters).toBe(stored);
  });
});

/** Keys as the published files have them, defaults left out as there. */
const published: [string, string, Record<string, unknown>, readonly string[]][] = [
  [
    "qwen2_5_7b",
    "windows that are switched off",
    {
      model_type: "qwen2",
      hidden_size: 3584,
      intermediate_size: 18_944,
      max_position_embeddings: 131_072,
      max_window_layers: 28,
      num_attention_heads: 28,
      num_hidden_layers: 28,
      num_key_value_heads: 4,
      rms_norm_eps: 1e-6,
      rope_theta: 1_000_000,
      sliding_window: 131_072,
      tie_word_embeddings: false,
      torch_dtype: "bfloat16",
      use_mrope: false,
      use_sliding_window: false,
      vocab_size: 152_064,
    },
    [],
  ],
  [
    "gemma3_12b",
    "a language model inside a larger one, nearly all left to the class",
    {
      architectures: ["Gemma3ForConditionalGeneration"],
      boi_token_index: 255_999,
      image_token_index: 262_144,
      mm_tokens_per_image: 256,
      model_type: "gemma3",
      text_config: {
        hidden_size: 3840,
        intermediate_size: 15_360,
        model_type: "gemma3_text",
        num_attention_heads: 16,
        num_hidden_layers: 48,
        num_key_value_heads: 8,
        rope_scaling: { factor: 8, rope_type: "linear" },
        sliding_window: 1024,
      },
      vision_config: { hidden_size: 1152, model_type: "siglip_vision_model" },
    },
    ["not carried over: all but the language model (vision_config)"],
  ],
  [
    "deepseek_v3",
    "8-bit weights and a multi-token-prediction module",
    {
      model_type: "deepseek_v3",
      architectures: ["DeepseekV3ForCausalLM"],
      auto_map: { AutoConfig: "configuration_deepseek.DeepseekV3Config" },
      ep_size: 1,
      max_position_embeddings: 163_840,
      moe_layer_freq: 1,
      num_nextn_predict_layers: 1,
      quantization_config: { quant_method: "fp8", weight_block_size: [128, 128] },
      rope_scaling: {
        beta_fast: 32,
        beta_slow: 1,
        factor: 40,
        mscale: 1,
        mscale_all_dim: 1,
        original_max_position_embeddings: 4096,
        type: "yarn",
      },
      scoring_func: "sigmoid",
      topk_method: "noaux_tc",
    },
    ["not carried over: the multi-token-prediction module", "not carried over: the quantisation of the stored weights"],
  ],
];

describe("published files", () => {
  test.each(published)("%s: %s", (name, _, config, lost) => {
    const { spec, warnings } = imported(config);
    expect(warnings).toEqual(lost);
    const known = models.find(([n]) => n === name)?.[1] as ModelSpec;
    expect(comparable(spec)).toEqual(comparable(known));
  });
});

describe("spoilt files", () => {
  const configs = tiny.map((name) => JSON.parse(readFileSync(new URL(`${name}/config.json`, fixtures), "utf8")));
  const values = fc.oneof(
    fc.constantFrom<unknown>(null, true, -1, 0, 0.5, 1e15, Number.MAX_SAFE_INTEGER, "", "x", [], [1], {}, { a: [] }),
    fc.anything({ maxDepth: 2 }),
  );
  test("any key with any value: a model that is checked, or diagnostics; never a throw", () => {
    fc.assert(
      fc.property(fc.constantFrom(...configs), fc.nat(100), values, (config, at, value) => {
        const keys = Object.keys(config);
        const spoilt = { ...config, [keys[at % keys.length] ?? ""]: value };
        const { value: fields, diagnostics } = fromHfConfig(spoilt, "config.json");
        expect(fields !== undefined || diagnostics.length > 0).toBe(true);
        if (fields === undefined) return;
        const checked = checkText(modelBlock("m", fields));
        expect(checked.value?.models.m !== undefined || checked.diagnostics.length > 0).toBe(true);
      }),
      { numRuns: 400, seed: 3 },
    );
  });
});
