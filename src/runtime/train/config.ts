/** A model's shape as Hugging Face's `config.json`, for the families that this runtime trains. */
import type { ModelSpec } from "../../checker/pipeline.js";

const classes: Readonly<Record<string, readonly [type: string, architecture: string]>> = {
  gpt2: ["gpt2", "GPT2LMHeadModel"],
  llama: ["llama", "LlamaForCausalLM"],
  mistral: ["mistral", "MistralForCausalLM"],
  qwen2: ["qwen2", "Qwen2ForCausalLM"],
  qwen3: ["qwen3", "Qwen3ForCausalLM"],
  gemma2: ["gemma2", "Gemma2ForCausalLM"],
  gemma3: ["gemma3_text", "Gemma3ForCausalLM"],
  phi: ["phi", "PhiForCausalLM"],
  olmo2: ["olmo2", "Olmo2ForCausalLM"],
};
const activations = {
  silu: "silu",
  gelu: "gelu",
  gelu_tanh: "gelu_pytorch_tanh",
  relu: "relu",
  relu_squared: "relu2",
} as const;

export function configOf(spec: ModelSpec): object {
  const [type, architecture] = classes[spec.architecture.value] ?? [spec.architecture.value, "AutoModelForCausalLM"];
  const common = {
    architectures: [architecture],
    model_type: type,
    vocab_size: spec.vocab.value,
    tie_word_embeddings: spec.tiedEmbeddings.value,
    torch_dtype: "float32",
  };
  if (type === "gpt2")
    return {
      ...common,
      n_layer: spec.layers.value,
      n_embd: spec.hidden.value,
      n_head: spec.heads.value,
      n_inner: spec.ffn.value,
      n_positions: spec.contextLength.value,
      activation_function: spec.activation.value === "gelu_tanh" ? "gelu_new" : activations[spec.activation.value],
      layer_norm_epsilon: spec.normEps.value,
      resid_pdrop: spec.dropout.value,
      embd_pdrop: spec.dropout.value,
      attn_pdrop: spec.dropout.value,
    };
  return {
    ...common,
    num_hidden_layers: spec.layers.value,
    hidden_size: spec.hidden.value,
    num_attention_heads: spec.heads.value,
    num_key_value_heads: spec.kvHeads.value,
    head_dim: spec.headDim.value,
    intermediate_size: spec.ffn.value,
    max_position_embeddings: spec.contextLength.value,
    hidden_act: activations[spec.activation.value],
    rms_norm_eps: spec.normEps.value,
    rope_theta: spec.ropeTheta.value,
    attention_bias: spec.attentionBias.value === "all",
    ...(spec.slidingWindow === undefined ? {} : { sliding_window: spec.slidingWindow.value }),
    ...(spec.attentionSoftcap === undefined ? {} : { attn_logit_softcapping: spec.attentionSoftcap.value }),
    ...(spec.finalSoftcap === undefined ? {} : { final_logit_softcapping: spec.finalSoftcap.value }),
  };
}
