/** `config.json` of Hugging Face for a model, for engines that build it fresh. */
import type { ModelSpec } from "../../checker/pipeline.js";

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

const classes: Readonly<Record<string, readonly [modelType: string, architecture: string, layer: string]>> = {
  gpt2: ["gpt2", "GPT2LMHeadModel", "GPT2Block"],
  llama: ["llama", "LlamaForCausalLM", "LlamaDecoderLayer"],
  mistral: ["mistral", "MistralForCausalLM", "MistralDecoderLayer"],
  mixtral: ["mixtral", "MixtralForCausalLM", "MixtralDecoderLayer"],
  qwen2: ["qwen2", "Qwen2ForCausalLM", "Qwen2DecoderLayer"],
  qwen3: ["qwen3", "Qwen3ForCausalLM", "Qwen3DecoderLayer"],
  qwen3_moe: ["qwen3_moe", "Qwen3MoeForCausalLM", "Qwen3MoeDecoderLayer"],
  gemma2: ["gemma2", "Gemma2ForCausalLM", "Gemma2DecoderLayer"],
  gemma3: ["gemma3_text", "Gemma3ForCausalLM", "Gemma3DecoderLayer"],
  phi: ["phi", "PhiForCausalLM", "PhiDecoderLayer"],
  phi3: ["phi3", "Phi3ForCausalLM", "Phi3DecoderLayer"],
  olmo2: ["olmo2", "Olmo2ForCausalLM", "Olmo2DecoderLayer"],
  deepseek_v2: ["deepseek_v2", "DeepseekV2ForCausalLM", "DeepseekV2DecoderLayer"],
  deepseek_v3: ["deepseek_v3", "DeepseekV3ForCausalLM", "DeepseekV3DecoderLayer"],
};

/** The module that FSDP wraps, of transformers 5. */
export const layerClass = (model: ModelSpec): string => classes[model.architecture.value]?.[2] ?? "LlamaDecoderLayer";
export const modelType = (model: ModelSpec): string => classes[model.architecture.value]?.[0] ?? "llama";
export const architectureClass = (model: ModelSpec): string =>
  classes[model.architecture.value]?.[1] ?? "LlamaForCausalLM";
export type { Json };

/** Keys and defaults of transformers 5. Only what the architecture's own configuration class reads. */
export function hfConfig(model: ModelSpec): Json {
  const type = modelType(model);
  const common = {
    architectures: [architectureClass(model)],
    model_type: type,
    vocab_size: model.vocab.value,
    tie_word_embeddings: model.tiedEmbeddings.value,
    use_cache: false,
    bos_token_id: null,
    eos_token_id: null,
    pad_token_id: null,
  };
  if (type === "gpt2") {
    return {
      ...common,
      n_embd: model.hidden.value,
      n_layer: model.layers.value,
      n_head: model.heads.value,
      n_inner: model.ffn.value,
      n_positions: model.contextLength.value,
      activation_function: model.activation.value === "gelu" ? "gelu" : "gelu_new",
      layer_norm_epsilon: model.normEps.value,
      attn_pdrop: model.dropout.value,
      embd_pdrop: model.dropout.value,
      resid_pdrop: model.dropout.value,
    };
  }
  const activation = {
    silu: "silu",
    gelu: "gelu",
    gelu_tanh: "gelu_pytorch_tanh",
    relu: "relu",
    relu_squared: "relu2",
  }[model.activation.value];
  const scaling = model.ropeScaling?.value;
  const moe = model.moe;
  return JSON.parse(
    JSON.stringify({
      ...common,
      hidden_size: model.hidden.value,
      num_hidden_layers: model.layers.value,
      num_attention_heads: model.heads.value,
      num_key_value_heads: model.kvHeads.value,
      head_dim: model.headDim.value,
      intermediate_size: model.ffn.value,
      max_position_embeddings: model.contextLength.value,
      hidden_act: activation,
      rms_norm_eps: model.normEps.value,
      rope_theta: model.ropeTheta.value,
      rope_scaling:
        scaling === undefined
          ? undefined
          : {
              rope_type: scaling.kind,
              factor: scaling.factor,
              original_max_position_embeddings: scaling.originalContext,
              low_freq_factor: scaling.lowFrequencyFactor,
              high_freq_factor: scaling.highFrequencyFactor,
              beta_fast: scaling.betaFast,
              beta_slow: scaling.betaSlow,
            },
      attention_bias: model.attentionBias.value !== "none",
      mlp_bias: model.mlpBias.value,
      attention_dropout: model.dropout.value,
      sliding_window: model.slidingWindow?.value ?? null,
      num_local_experts: moe?.experts.value,
      num_experts: type === "qwen3_moe" ? moe?.experts.value : undefined,
      num_experts_per_tok: moe?.expertsPerToken.value,
      moe_intermediate_size: moe?.moeFfn.value,
      router_aux_loss_coef: moe?.auxLoss.value,
      output_router_logits: moe === undefined ? undefined : moe.balancing.value === "aux_loss",
      norm_topk_prob: moe?.normTopk.value,
      n_routed_experts: type.startsWith("deepseek") ? moe?.experts.value : undefined,
      n_shared_experts: type.startsWith("deepseek") ? moe?.sharedExperts.value : undefined,
      first_k_dense_replace: type.startsWith("deepseek") ? moe?.denseLayers.value : undefined,
      q_lora_rank: model.mla === undefined ? undefined : model.mla.qRank.value || null,
      kv_lora_rank: model.mla?.kvRank.value,
      qk_rope_head_dim: model.mla?.ropeHeadDim.value,
      qk_nope_head_dim: model.mla?.nopeHeadDim.value,
      v_head_dim: model.mla?.valueHeadDim.value,
    }),
  ) as Json;
}
