/** Attention kernels: flash (one fused pass) and unfused (two batched products and passes over the scores). */
import { attended } from "../../model/index.js";
import type { Rates } from "./rates.js";
import type { AttentionShape } from "./shape.js";

export interface AttentionSeconds {
  readonly forward: number;
  readonly backward: number;
}

/** For `tokens` queries of sequences of `length`, with the heads that one rank holds. */
export function attentionSeconds(
  r: Rates,
  a: AttentionShape,
  tokens: number,
  length: number,
  heads: number,
): AttentionSeconds {
  if (r.stack.attention === "unfused" || r.stack.attention === "tfjs") {
    // Scores are computed in full; the mask comes after.
    const flops = 2 * tokens * length * heads * (a.qkDim + a.vDim);
    // Half-precision tensor cores want rows of 16 bytes; without, the products fall back to slow kernels.
    const aligned = a.qkDim % 8 === 0 ? 1 : (r.constants["attention.misaligned"] ?? 0.1);
    const ramp = (aligned * a.qkDim) / (a.qkDim + 32);
    const scores = tokens * length * heads * 2;
    const passes = r.constants["attention.passes"] ?? 8;
    const forward = flops / (r.attention * ramp) + (passes * scores) / r.memory;
    return { forward, backward: (2 * flops) / (r.attention * ramp) + (1.2 * passes * scores) / r.memory };
  }
  const span = attended(a, length);
  const flops = 2 * tokens * span * heads * (a.qkDim + a.vDim);
  // Short sequences leave tiles half empty; small heads keep the tensor cores waiting on the exponential.
  const reach = (span / (span + r.attentionRamp)) * Math.min(1, (a.qkDim / 128) ** r.attentionNarrow);
  return { forward: flops / (r.attention * reach), backward: (2.5 * flops) / (r.attentionBackward * reach) };
}
