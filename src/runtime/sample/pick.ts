export interface SamplingOptions {
  /** 0: always the likeliest. */
  readonly temperature: number;
  /** 0: all tokens. */
  readonly topK: number;
  /** 1: all tokens (nucleus sampling, Holtzman et al. 2020). */
  readonly topP: number;
}

/** Uniform numbers in [0, 1) from a seed (mulberry32). */
export function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Draws a token: temperature, then top-k, then top-p, as `transformers` orders them. `allowed` masks ids. */
export function pick(
  logits: Float32Array,
  options: SamplingOptions,
  random: () => number,
  allowed: (id: number) => boolean = () => true,
): number {
  let best = -1;
  for (let i = 0; i < logits.length; i++)
    if (allowed(i) && (best < 0 || (logits[i] as number) > (logits[best] as number))) best = i;
  if (options.temperature === 0 || options.topK === 1 || best < 0) return Math.max(0, best);
  const ids: number[] = [];
  for (let i = 0; i < logits.length; i++) if (allowed(i)) ids.push(i);
  ids.sort((a, b) => (logits[b] as number) - (logits[a] as number) || a - b);
  const kept = options.topK > 0 ? ids.slice(0, options.topK) : ids;
  const top = logits[best] as number;
  const weights = kept.map((id) => Math.exp(((logits[id] as number) - top) / options.temperature));
  const sum = weights.reduce((a, b) => a + b, 0);
  // The nucleus is the shortest list of likeliest tokens whose share reaches topP; it holds at least one.
  let count = 0;
  let mass = 0;
  do mass += (weights[count++] as number) / sum;
  while (count < kept.length && mass < options.topP);
  let at = random() * mass * sum;
  for (let i = 0; i < count; i++) {
    at -= weights[i] as number;
    if (at < 0) return kept[i] as number;
  }
  return kept[count - 1] as number;
}
