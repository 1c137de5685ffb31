/** Number formats that are emulated in fp32 by rounding: stored mantissa bits, smallest normal exponent, largest value. */
import type { RoundFormat } from "./algebra.js";

/** OCP OFP8 (e4m3fn, e5m2), IEEE 754 binary16, bfloat16. */
export const formats = {
  bf16: { mantissa: 7, emin: -126, largest: 3.3895313892515355e38, saturate: false },
  fp16: { mantissa: 10, emin: -14, largest: 65504, saturate: false },
  e4m3: { mantissa: 3, emin: -6, largest: 448, saturate: true },
  e5m2: { mantissa: 2, emin: -14, largest: 57344, saturate: true },
} as const satisfies Readonly<Record<string, RoundFormat>>;
