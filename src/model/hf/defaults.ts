/**
 * What `transformers` takes for keys that a `config.json` leaves out (published ones do: Gemma 3's omit the heads).
 * Source: the configuration classes of transformers 5.23.0, each built without arguments, read 2026-11-24. Only keys that
 * are read here; a key that is in neither place is an error.
 */
const sizes = (
  vocab_size: number,
  hidden_size: number,
  num_hidden_layers: number,
  num_attention_heads: number,
  intermediate_size: number,
  max_position_embeddings: number,
) => ({ vocab_size, hidden_size, num_hidden_layers, num_attention_heads, intermediate_size, max_position_embeddings });

const common = { hidden_act: "silu", rms_norm_eps: 1e-6, rope_theta: 10_000, tie_word_embeddings: false };
const gemma = {
  ...common,
  hidden_act: "gelu_pytorch_tanh",
  tie_word_embeddings: true,
  num_key_value_heads: 4,
  head_dim: 256,
  sliding_window: 4096,
  query_pre_attn_scalar: 256,
};
const deepseek = {
  ...common,
  q_lora_rank: 1536,
  kv_lora_rank: 512,
  qk_rope_head_dim: 64,
  qk_nope_head_dim: 128,
  v_head_dim: 128,
};

/** By `model_type`. */
export const hfDefaults: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  gpt2: {
    vocab_size: 50_257,
    n_embd: 768,
    n_layer: 12,
    n_head: 12,
    n_positions: 1024,
    activation_function: "gelu_new",
    layer_norm_epsilon: 1e-5,
    tie_word_embeddings: true,
    resid_pdrop: 0.1,
    embd_pdrop: 0.1,
    attn_pdrop: 0.1,
  },
  llama: { ...common, ...sizes(32_000, 4096, 32, 32, 11_008, 2048) },
  mistral: {
    ...common,
    ...sizes(32_000, 4096, 32, 32, 14_336, 131_072),
    num_key_value_heads: 8,
    sliding_window: 4096,
  },
  mixtral: {
    ...common,
    ...sizes(32_000, 4096, 32, 32, 14_336, 131_072),
    num_key_value_heads: 8,
    rms_norm_eps: 1e-5,
    rope_theta: 1_000_000,
    num_local_experts: 8,
    num_experts_per_tok: 2,
    router_aux_loss_coef: 0.001,
  },
  qwen2: { ...common, ...sizes(151_936, 4096, 32, 32, 22_016, 32_768), num_key_value_heads: 32 },
  qwen3: { ...common, ...sizes(151_936, 4096, 32, 32, 22_016, 32_768), num_key_value_heads: 32, head_dim: 128 },
  qwen3_moe: {
    ...common,
    ...sizes(151_936, 2048, 24, 32, 6144, 32_768),
    num_key_value_heads: 4,
    num_experts: 128,
    num_experts_per_tok: 8,
    moe_intermediate_size: 768,
    router_aux_loss_coef: 0.001,
    norm_topk_prob: false,
  },
  gemma2: {
    ...gemma,
    ...sizes(256_000, 2304, 26, 8, 9216, 8192),
    attn_logit_softcapping: 50,
    final_logit_softcapping: 30,
  },
  gemma3_text: {
    ...gemma,
    ...sizes(262_208, 2304, 26, 8, 9216, 131_072),
    rope_theta: 1_000_000,
    rope_local_base_freq: 10_000,
  },
  phi: {
    ...common,
    ...sizes(51_200, 2048, 24, 32, 8192, 2048),
    hidden_act: "gelu_new",
    layer_norm_eps: 1e-5,
    partial_rotary_factor: 0.5,
  },
  phi3: { ...common, ...sizes(32_064, 3072, 32, 32, 8192, 4096), rms_norm_eps: 1e-5 },
  olmo2: { ...common, ...sizes(50_304, 4096, 32, 32, 11_008, 2048), rms_norm_eps: 1e-5 },
  deepseek_v2: {
    ...deepseek,
    ...sizes(102_400, 4096, 32, 32, 11_008, 2048),
    n_routed_experts: 64,
    n_shared_experts: 2,
    moe_intermediate_size: 1407,
    norm_topk_prob: false,
    routed_scaling_factor: 1,
  },
  deepseek_v3: {
    ...deepseek,
    ...sizes(129_280, 7168, 61, 128, 18_432, 4096),
    n_routed_experts: 256,
    n_shared_experts: 1,
    num_experts_per_tok: 8,
    moe_intermediate_size: 2048,
    first_k_dense_replace: 3,
    n_group: 8,
    topk_group: 4,
    norm_topk_prob: true,
    routed_scaling_factor: 2.5,
  },
};
