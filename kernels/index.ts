// Our own kernels on the memory of tfjs-backend-wasm: fp32, 128-bit SIMD, no memory of their own.
// `node scripts/kernels.mjs` compiles them into src/runtime/kernels/module.ts.
export { activation, activationBackward, gated, gatedBackward, softcap, softcapBackward } from "./activation";
export { attention, attentionBackward, attentionScratchBytes } from "./attention";
export { batchedGemm, gemm, gemmScratchBytes, micro } from "./gemm";
export { crossEntropy } from "./loss";
export { norm, normBackward } from "./norm";
export { rope } from "./rope";
export { adamw, addBias, addRows, axpy, largest, product, roundTo, sumOfSquares, sumRows } from "./vector";
