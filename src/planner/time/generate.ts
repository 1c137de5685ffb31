/** Rollouts: prefill is a forward; each further token reads all weights and the sequences' key/value cache. */
import type { ExtraPass, Job } from "./job.js";
import { gemmElements } from "./shape.js";

export function generationSeconds(job: Job, pass: ExtraPass): number {
  const { rates, layout } = job;
  const sequences = pass.share * layout.microBatch * layout.accumulation;
  const tokens = layout.length / 2;
  let weights = 0;
  let active = 0;
  for (const kind of pass.shape.stack) {
    const s = pass.shape.kinds[kind]!;
    for (const g of s.gemms) {
      const all = gemmElements(g) / layout.tensor;
      weights += all;
      active += g.copies > 1 && s.moe !== undefined ? (all * s.moe.topK) / s.moe.experts : all;
    }
  }
  const cache = (sequences * pass.shape.kvBytesPerToken * layout.length * 0.5) / layout.tensor;
  const reads = (2 * weights + cache) / rates.memory;
  const flops = (2 * active * sequences) / rates.gemm16;
  return tokens * (Math.max(reads, flops) + 40e-6 * pass.shape.stack.length);
}
