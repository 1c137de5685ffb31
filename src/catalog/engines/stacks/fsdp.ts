import { stack } from "./make.js";

/** PyTorch FSDP1 through Composer, eager; MPT attends with ALiBi through Triton's FlashAttention. */
export const llmFoundry = stack("llm-foundry", {
  attention: "flash1",
  // FSDP1 driven eagerly: its rate limiter and the collectives' own kernels leave little of the overlap.
  fsdpTax: 0.65,
  weightTraffic: 6,
  elementwisePasses: 18,
  ffnPasses: 5,
  // FlashAttention's fused cross-entropy, gradients in place.
  lossBytesPerLogit: 5,
  contextBytes: 0.8 * 1024 ** 3,
  launchFloor: [0.0005, 0.0009],
  selective: { kept: 0.5, again: 0.5, unit: "layer" },
});

/** IBM's FSDP1 trainer: compiled blocks; its selective recomputation is every k-th layer. */
export const fmsFsdp = stack("fms-fsdp", {
  fsdpTax: 0.3,
  compiled: true,
  elementwisePasses: 9,
  ffnPasses: 3,
  launchFloor: [0.0002, 0.0004],
  selective: { kept: 0.25, again: 0.6, unit: "layer" },
});

/** torchtitan, FSDP2, eager. Its selective recomputation keeps every second product and attention's output. */
export const torchtitanEager = stack("torchtitan-eager", {
  like: "torchtitan",
  timeFactor: { any: 1.05 },
  attention: "flash2",
  attentionOn: { blackwell: "cudnn" },
  // torchao scales dynamically: a pass for the largest value, one for the cast, weights too.
  casts: 2,
  weightTraffic: 14,
  elementwisePasses: 28,
  ffnPasses: 5,
  lossBytesPerLogit: 12,
  launchFloor: [0.0006, 0.001],
  activations: { hidden: 14, gated: 8, plain: 6, dropout: 2, head: 4, score: 5 },
  selective: { kept: 0.5, again: 0.35, unit: "layer" },
});

/** torchtitan with torch.compile of each block. */
export const torchtitan = stack("torchtitan", {
  kernels: "compiled",
  timeFactor: { any: 1.05 },
  // FSDP2 copies gathered parameters out of, and gradients into, its flat buffers.
  attention: "flash2",
  attentionOn: { blackwell: "cudnn" },
  // torchao scales dynamically: a pass for the largest value, one for the cast, weights too.
  casts: 2,
  weightTraffic: 14,
  compiled: true,
  elementwisePasses: 9,
  ffnPasses: 3,
  lossBytesPerLogit: 7,
  allocatorSlack: 1.03,
  launchFloor: [0.00025, 0.0005],
  // Every second product runs again (36% of a Llama layer's), and all that is elementwise.
  selective: { kept: 0.4, again: 0.4, unit: "layer" },
});

/** MaxText: XLA, cuDNN attention, scheduled collectives. `minimal` rematerialisation keeps nearly all. */
export const maxtext = stack("maxtext", {
  attention: "cudnn",
  compiled: true,
  elementwisePasses: 8,
  ffnPasses: 3,
  launchFloor: [0, 0],
  selective: { kept: 0.8, again: 0.1, unit: "layer" },
});
