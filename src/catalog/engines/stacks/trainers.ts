import { stack } from "./make.js";

/** Hugging Face Trainer, TRL: eager modules, fp32 norms and logits, PEFT adapters. */
export const trl = stack("trl", {
  kernels: "eager",
  timeFactor: { any: 1.1 },
  elementwisePasses: 26,
  ffnPasses: 5,
  // transformers: bf16 logits, their fp32 copy, the log-softmax, its gradient (2 + 4 + 4 + 4), and a cast back.
  lossBytesPerLogit: 16,
  launchFloor: [0.001, 0.0018],
  gradientBytes: 2,
  activations: { hidden: 16, gated: 8, plain: 6, dropout: 2, head: 4, score: 5 },
});

/** torchtune: bf16 states, chunked cross-entropy. */
export const torchtune = stack("torchtune", {
  timeFactor: { any: 1.1 },
  elementwisePasses: 22,
  ffnPasses: 5,
  lossBytesPerLogit: 8,
  launchFloor: [0.0006, 0.001],
  gradientBytes: 2,
  state: { weights: 2, gradients: 2, optimizer: 4 },
  activations: { hidden: 12, gated: 8, plain: 6, dropout: 2, head: 4, score: 5 },
});

/** InternEvo: own hybrid ZeRO (`hybrid-zero` shards optimizer states over 8), FlashAttention. */
export const internevo = stack("internevo", {
  elementwisePasses: 16,
  launchFloor: [0.0006, 0.0011],
  gradientBytes: 2,
  overlap: { dataParallel: 0.35, fsdpPrefetch: true, tensorParallel: 0, pipeline: 0, expert: 0 },
});

/** Hugging Face's nanotron: eager modules, FlashAttention 2, fp32 accumulation of gradients, sharded fp32 cross-entropy. */
export const nanotron = stack("nanotron", {
  timeFactor: { any: 1.1 },
  elementwisePasses: 16,
  ffnPasses: 5,
  lossPasses: 12,
  lossBytesPerLogit: 14,
  launchFloor: [0.0008, 0.0014],
  overlap: { dataParallel: 0.5, fsdpPrefetch: false, tensorParallel: 0, pipeline: 0, expert: 0 },
  activations: { hidden: 8, gated: 8, plain: 6, dropout: 2, head: 4, score: 5 },
});

/** Dao-AILab's GPT trainer: fused dense, norm, rotary and loss kernels, FlashAttention 1–2. */
export const flashAttention = stack("flash-attention", {
  attention: "flash1",
  elementwisePasses: 9,
  ffnPasses: 2,
  lossPasses: 4,
  lossBytesPerLogit: 4,
  launchFloor: [0.0003, 0.0006],
  gradientBytes: 2,
});

/** Fast-LLM: own Triton kernels, ZeRO stages, fused loss. */
export const fastLlm = stack("fast_llm", {
  elementwisePasses: 9,
  ffnPasses: 3,
  lossBytesPerLogit: 6,
  launchFloor: [0.0003, 0.0006],
  overlap: { dataParallel: 0.9, fsdpPrefetch: true, tensorParallel: 0.3, pipeline: 0.5, expert: 0 },
});

/** NeuronX Distributed: graphs compiled ahead, no launch floor. */
export const nxd = stack("nxd", { compiled: true, elementwisePasses: 10, ffnPasses: 3, launchFloor: [0, 0] });

/** DeepSpeed ZeRO under Hugging Face: bf16 copies sharded, fp32 master and moments in the optimizer. */
export const deepspeed = stack("deepspeed", {
  timeFactor: { any: 1.1 },
  elementwisePasses: 24,
  ffnPasses: 5,
  lossBytesPerLogit: 16,
  launchFloor: [0.001, 0.0018],
  gradientBytes: 2,
  state: { weights: 2, gradients: 2, optimizer: 12 },
  activations: { hidden: 16, gated: 8, plain: 6, dropout: 2, head: 4, score: 5 },
});
