/** Families that `architecture` names; the checker has each one's defaults (checker/blocks/families.ts). */
export const architectures: Readonly<Record<string, string>> = {
  gpt2: "GPT-2: LayerNorm, learned positions, GELU, biases, tied embeddings",
  llama: "Llama 2 and 3, SmolLM and all of that shape: RMSNorm, RoPE, SwiGLU, GQA",
  mistral: "Mistral 7B: Llama's shape, sliding window in version 0.1",
  mixtral: "Mixtral: Llama's attention, 8 routed experts",
  qwen2: "Qwen 2 and 2.5: Llama's shape, biases on queries, keys and values",
  qwen3: "Qwen 3 dense: per-head norm of queries and keys",
  qwen3_moe: "Qwen 3 with routed experts",
  gemma2: "Gemma 2: norms around every part, soft caps, every second layer slides",
  gemma3: "Gemma 3 (text): norms around every part, per-head norms, five of six layers slide",
  phi: "Phi 1, 1.5 and 2: one norm, attention and MLP in parallel, partial RoPE, biases",
  phi3: "Phi 3 and 4: Llama's shape (fused projections in the checkpoint)",
  olmo2: "OLMo 2: norms after attention and MLP, norm over the whole query and key projections",
  deepseek_v2: "DeepSeek V2: MLA, shared and routed experts, softmax router",
  deepseek_v3: "DeepSeek V3: MLA, shared and routed experts, sigmoid router balanced by a bias",
};
