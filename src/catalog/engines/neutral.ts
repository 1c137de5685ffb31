import type { StackTraits } from "../types.js";

/** A stack that nobody has measured: a compiled flash-attention stack of 2025 with usual overlap. */
export const neutral: StackTraits = {
  attention: "flash2",
  compiled: true,
  lossBytesPerLogit: 8,
  elementwisePasses: 12,
  launchFloor: [0.0003, 0.0006],
  overlap: { dataParallel: 0.8, fsdpPrefetch: true, tensorParallel: 0, pipeline: 0.5, expert: 0 },
  gradientBytes: 4,
  cachedWeightGradients: false,
  contextBytes: 1.5 * 1024 ** 3,
  allocatorSlack: 1.05,
  fusedOptimizer: true,
};
