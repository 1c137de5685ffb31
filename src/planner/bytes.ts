/** Bytes of one stored element, scales included. */
export const elementBytes: Readonly<Record<string, number>> = {
  fp32: 4,
  tf32: 4,
  fp16: 2,
  bf16: 2,
  fp8: 1,
  mxfp8: 1,
  none: 0,
  // bitsandbytes, LLM.int8: one fp32 scale a row of some thousands.
  int8: 1,
  // QLoRA (Dettmers et al. 2023, section 3): 4 bits, an 8-bit scale for each 64 elements, and an fp32 one for each 256 of those:
  // (4 + 8/64 + 32/(64·256)) / 8.
  nf4: (4 + 8 / 64 + 32 / (64 * 256)) / 8,
};
