import { stack } from "./make.js";

/** Megatron-LM and Megatron-DeepSpeed of 2021–2022: eager kernels, unfused attention, fused softmax only. */
export const megatron2022 = stack("megatron-2022", {
  attention: "unfused",
  // Fused bias-dropout-add and bias-GeLU, layer norms, transposes around attention.
  elementwisePasses: 13,
  ffnPasses: 3,
  launchFloor: [0.001, 0.0013],
  crowdedFloor: 1.5,
  weightTraffic: 6,
  lossPasses: 16,
  lossBytesPerLogit: 10,
  overlap: { dataParallel: 0, fsdpPrefetch: false, tensorParallel: 0, pipeline: 0, expert: 0 },
  activations: { hidden: 8, gated: 6, plain: 4, dropout: 2, head: 4, score: 5 },
  fusedOptimizer: true,
  stepSeconds: 0.02,
  // CUDA, NCCL for three kinds of groups, DeepSpeed's gather and reduce buckets: read off nvidia-smi of BLOOM's prototypes.
  contextBytes: 6.6 * 1024 ** 3,
  // DeepSpeed's fp16 optimizer copies its shard of gradients to fp32; its bf16 one keeps whole fp32 gradients beside bf16.
  pipelineBuffers: 2,
  stateByPrecision: {
    fp16: { weights: 2, gradients: 2, optimizer: 16 },
    bf16: { weights: 2, gradients: 7, optimizer: 12 },
  },
});

/**
 * Megatron-LM of 2021–2023 on A100 (Narayanan et al. 2021, Korthikanti et al. 2022): the same kernels without DeepSpeed's
 * optimizer and buffers, launched faster.
 */
export const megatronAmpere = stack("megatron-ampere", {
  attention: "unfused",
  elementwisePasses: 13,
  ffnPasses: 3,
  lossPasses: 14,
  launchFloor: [0.0006, 0.0009],
  lossBytesPerLogit: 10,
  overlap: { dataParallel: 0, fsdpPrefetch: false, tensorParallel: 0, pipeline: 0, expert: 0 },
  stepSeconds: 0.02,
  contextBytes: 1.5 * 1024 ** 3,
  weightTraffic: 5,
});

/** Megatron-Core with Transformer Engine, 2024 on: cuDNN attention, fused kernels, overlapped gradient reduction. */
export const megatronCore = stack("megatron", {
  // Clusters and flags as users have them, beside NVIDIA's own recipes.
  timeFactor: { any: 1.02 },
  attention: "cudnn",
  elementwisePasses: 9,
  ffnPasses: 3,
  launchFloor: [0.0003, 0.0005],
  lossBytesPerLogit: 6,
  weightTraffic: 5,
  overlap: { dataParallel: 0.95, fsdpPrefetch: true, tensorParallel: 0, pipeline: 0, expert: 0 },
  cachedWeightGradients: true,
});

/** NeMo and Megatron-Bridge recipes: Megatron-Core with every overlap on (TP user buffers, parameter gather). */
export const nemo = stack("nemo", {
  attention: "cudnn",
  elementwisePasses: 9,
  ffnPasses: 3,
  launchFloor: [0.0003, 0.0005],
  lossBytesPerLogit: 14,
  overlap: { dataParallel: 0.98, fsdpPrefetch: true, tensorParallel: 0.6, pipeline: 0.7, expert: 0.2 },
  cachedWeightGradients: true,
  // Recipes reduce gradients in bf16 (`grad_reduce_in_fp32 = False`).
  gradientBytes: 2,
  weightTraffic: 4,
  dispatchOnce: true,
});
