/** A model's shape as Hugging Face's `config.json`. */
import type { ModelSpec } from "../../checker/index.js";
import { hfFamily, type Json } from "./families.js";

const activations = {
  silu: "silu",
  gelu: "gelu",
  gelu_tanh: "gelu_pytorch_tanh",
  relu: "relu",
  relu_squared: "relu2",
} as const;

type Keys = Readonly<Record<string, Json | undefined>>;

/** Ids of the tokens that start, end and fill a text: the tokenizer's to say. */
export interface SpecialTokens {
  readonly bos?: number;
  readonly endOfText?: number;
  readonly pad?: number;
}

/**
 * Only keys that the family's configuration class reads, under names that transformers 4 and 5 both take. Token ids that
 * no tokenizer says are null: the classes' own defaults would be another model's.
 */
export function toHfConfig(
  m: ModelSpec,
  dtype?: "float32" | "bfloat16" | "float16",
  tokens: SpecialTokens = {},
): Readonly<Record<string, Json>> {
  const { modelType, model } = hfFamily(m.architecture.value);
  return defined({
    architectures: [model],
    model_type: modelType,
    vocab_size: m.vocab.value,
    tie_word_embeddings: m.tiedEmbeddings.value,
    ...tokenIds(tokens, m.vocab.value),
    torch_dtype: dtype,
    ...(modelType === "gpt2" ? gpt2(m) : decoder(m, modelType)),
  });
}

/** `generation_config.json`: where `generate` starts and stops. */
export const toHfGenerationConfig = (m: ModelSpec, tokens: SpecialTokens): Readonly<Record<string, Json>> =>
  Object.fromEntries(Object.entries(tokenIds(tokens, m.vocab.value)).filter(([, id]) => id !== null));

/**
 * Padding that is the end's token stays unsaid: `transformers` trains no embedding of `pad_token_id`, and takes the end's
 * for padding by itself. It refuses ids beyond the embedding.
 */
function tokenIds({ bos, endOfText, pad }: SpecialTokens, vocab: number): Readonly<Record<string, Json>> {
  const within = (id?: number): number | null => (id !== undefined && id < vocab ? id : null);
  return {
    bos_token_id: within(bos),
    eos_token_id: within(endOfText),
    pad_token_id: pad === endOfText ? null : within(pad),
  };
}

const defined = (keys: Keys): Readonly<Record<string, Json>> =>
  Object.fromEntries(Object.entries(keys).filter((e): e is [string, Json] => e[1] !== undefined));

const gpt2 = (m: ModelSpec): Keys => ({
  n_embd: m.hidden.value,
  n_layer: m.layers.value,
  n_head: m.heads.value,
  n_inner: m.ffn.value,
  n_positions: m.contextLength.value,
  activation_function: m.activation.value === "gelu_tanh" ? "gelu_new" : activations[m.activation.value],
  layer_norm_epsilon: m.normEps.value,
  attn_pdrop: m.dropout.value,
  embd_pdrop: m.dropout.value,
  resid_pdrop: m.dropout.value,
});

function decoder(m: ModelSpec, type: string): Keys {
  return {
    hidden_size: m.hidden.value,
    num_hidden_layers: m.layers.value,
    num_attention_heads: m.heads.value,
    num_key_value_heads: m.kvHeads.value,
    // DeepSeek's classes keep the rotary part's size under this name.
    head_dim: m.mla === undefined ? m.headDim.value : undefined,
    // Mixtral's experts have their size under this name.
    intermediate_size: type === "mixtral" ? (m.moe?.moeFfn.value ?? m.ffn.value) : m.ffn.value,
    max_position_embeddings: m.contextLength.value,
    ...rope(m),
    attention_dropout: m.dropout.value,
    ...sliding(m, type),
    ...own(m, type),
    ...(m.moe === undefined ? {} : experts(m, type)),
    ...(m.mla === undefined ? {} : latent(m)),
  };
}

function rope(m: ModelSpec): Keys {
  const s = m.ropeScaling?.value;
  return {
    rope_theta: m.ropeTheta.value,
    partial_rotary_factor: m.ropeFraction.value === 1 ? undefined : m.ropeFraction.value,
    rope_local_base_freq: m.slidingRopeTheta?.value,
    rope_scaling:
      s === undefined
        ? undefined
        : defined({
            rope_type: s.kind,
            factor: s.factor,
            original_max_position_embeddings: s.originalContext,
            ...(s.kind === "llama3"
              ? { low_freq_factor: s.lowFrequencyFactor ?? 1, high_freq_factor: s.highFrequencyFactor ?? 4 }
              : {}),
            beta_fast: s.betaFast,
            beta_slow: s.betaSlow,
            mscale: s.mscale,
            mscale_all_dim: s.mscaleAllDim,
          }),
  };
}

function sliding(m: ModelSpec, type: string): Keys {
  const window = m.slidingWindow?.value;
  const pattern = m.slidingPattern.value;
  // Mistral's and Gemma's classes have a window unless told that there is none.
  if (window === undefined) return /^(mi|gemma|phi3)/.test(type) ? { sliding_window: null } : {};
  const layers = Array.from({ length: m.layers.value }, (_, i) =>
    pattern <= 1 || (i + 1) % pattern !== 0 ? "sliding_attention" : "full_attention",
  );
  return {
    sliding_window: window,
    ...(type.startsWith("qwen") ? { use_sliding_window: true, max_window_layers: 0 } : {}),
    ...(/^(gemma|qwen)/.test(type) ? { layer_types: layers } : {}),
    ...(type === "gemma3_text" ? { sliding_window_pattern: pattern } : {}),
  };
}

/** Keys of single families. */
function own(m: ModelSpec, type: string): Keys {
  const activation = activations[m.activation.value];
  if (type === "phi")
    return {
      hidden_act: m.activation.value === "gelu_tanh" ? "gelu_new" : activation,
      layer_norm_eps: m.normEps.value,
      partial_rotary_factor: m.ropeFraction.value,
      resid_pdrop: m.dropout.value,
      embd_pdrop: m.dropout.value,
    };
  const bias = m.attentionBias.value === "all";
  const rms = { rms_norm_eps: m.normEps.value };
  if (type.startsWith("gemma"))
    return {
      ...rms,
      hidden_activation: activation,
      attention_bias: bias,
      query_pre_attn_scalar: m.queryScale?.value ?? m.headDim.value,
      attn_logit_softcapping: m.attentionSoftcap?.value ?? null,
      final_logit_softcapping: m.finalSoftcap?.value ?? null,
    };
  if (type === "phi3")
    return {
      ...rms,
      hidden_act: activation,
      resid_pdrop: m.dropout.value,
      embd_pdrop: m.dropout.value,
      original_max_position_embeddings: m.contextLength.value,
    };
  if (/^(mistral|mixtral|qwen2)$/.test(type)) return { ...rms, hidden_act: activation };
  return {
    ...rms,
    hidden_act: activation,
    attention_bias: bias,
    ...(type === "llama" || type === "deepseek_v2" ? { mlp_bias: m.mlpBias.value } : {}),
  };
}

function experts({ moe }: ModelSpec, type: string): Keys {
  if (moe === undefined) return {};
  const count = moe.experts.value;
  const balanced = { output_router_logits: moe.balancing.value === "aux_loss" };
  const shared = { num_experts_per_tok: moe.expertsPerToken.value };
  if (type === "mixtral")
    return { ...shared, ...balanced, num_local_experts: count, router_aux_loss_coef: moe.auxLoss.value };
  if (type === "qwen3_moe")
    return {
      ...shared,
      ...balanced,
      num_experts: count,
      moe_intermediate_size: moe.moeFfn.value,
      router_aux_loss_coef: moe.auxLoss.value,
      norm_topk_prob: moe.normTopk.value,
      decoder_sparse_step: moe.moeEvery.value,
      mlp_only_layers: Array.from({ length: moe.denseLayers.value }, (_, i) => i),
    };
  const v2 = type === "deepseek_v2";
  return {
    ...shared,
    n_routed_experts: count,
    n_shared_experts: moe.sharedExperts.value,
    moe_intermediate_size: moe.moeFfn.value,
    first_k_dense_replace: moe.denseLayers.value,
    moe_layer_freq: moe.moeEvery.value,
    norm_topk_prob: moe.normTopk.value,
    routed_scaling_factor: moe.routedScale.value,
    n_group: moe.groups.value,
    topk_group: moe.groupsPerToken.value,
    scoring_func: moe.routerScore.value,
    topk_method: moe.balancing.value === "bias" ? "noaux_tc" : moe.groups.value > 1 ? "group_limited_greedy" : "greedy",
    aux_loss_alpha: moe.auxLoss.value,
    ...(v2 ? balanced : {}),
  };
}

const latent = ({ mla }: ModelSpec): Keys => ({
  q_lora_rank: mla?.qRank.value || null,
  kv_lora_rank: mla?.kvRank.value,
  qk_rope_head_dim: mla?.ropeHeadDim.value,
  qk_nope_head_dim: mla?.nopeHeadDim.value,
  v_head_dim: mla?.valueHeadDim.value,
});
