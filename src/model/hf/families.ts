/** Which classes of `transformers` are which architectures here. */

/** A `config.json` under construction. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

export interface HfFamily {
  readonly modelType: string;
  readonly model: string;
  /** The module that FSDP wraps. */
  readonly layer: string;
}

const family = (modelType: string, stem: string, layer = `${stem}DecoderLayer`): HfFamily => ({
  modelType,
  model: `${stem}ForCausalLM`,
  layer,
});

/** By architecture; names of transformers 5. */
export const hfFamilies: Readonly<Record<string, HfFamily>> = {
  gpt2: { modelType: "gpt2", model: "GPT2LMHeadModel", layer: "GPT2Block" },
  llama: family("llama", "Llama"),
  mistral: family("mistral", "Mistral"),
  mixtral: family("mixtral", "Mixtral"),
  qwen2: family("qwen2", "Qwen2"),
  qwen3: family("qwen3", "Qwen3"),
  qwen3_moe: family("qwen3_moe", "Qwen3Moe"),
  gemma2: family("gemma2", "Gemma2"),
  gemma3: family("gemma3_text", "Gemma3"),
  phi: family("phi", "Phi"),
  phi3: family("phi3", "Phi3"),
  olmo2: family("olmo2", "Olmo2"),
  deepseek_v2: family("deepseek_v2", "DeepseekV2"),
  deepseek_v3: family("deepseek_v3", "DeepseekV3"),
};

export function hfFamily(architecture: string): HfFamily {
  const found = hfFamilies[architecture];
  if (found === undefined) throw new Error(`no transformers class for the architecture ${architecture}`);
  return found;
}

export const architectureOf = (modelType: string): string | undefined =>
  Object.keys(hfFamilies).find((name) => hfFamilies[name]?.modelType === modelType);
