/**
 * Dropout's coin tosses, counted rather than drawn: whether an element is kept is a function of seed, step, layer, op and
 * the element's own place in the whole batch. So recomputation, micro-batches and any layout toss the same.
 */

/** Of a batch. */
export interface Noise {
  /** Of seed and step. */
  readonly key: number;
  /** Number of each token in the whole batch. */
  readonly rows: Int32Array;
}

/** Two rounds of multiply and shift (C. Wellons, hash-prospector, 2018: bias 0.17 of 1,000). */
function mixed(x: number): number {
  let h = x | 0;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return (h ^ (h >>> 16)) >>> 0;
}

export const noiseKey = (seed: number, step: number): number => mixed(mixed(seed) + step);

export const noiseOf = (seed: number, step: number, tokens: number): Noise => ({
  key: noiseKey(seed, step),
  rows: Int32Array.from({ length: tokens }, (_, i) => i),
});

/** The same batch in another layer. */
export const inLayer = ({ key, rows }: Noise, layer: number): Noise => ({ key: mixed(key ^ mixed(layer + 1)), rows });

/** 1 / (1 − rate) where an element is kept, else 0: [rows, width]. @param name of the op */
export function fillMask(out: Float32Array, { key, rows }: Noise, name: string, rate: number): void {
  let own = key;
  for (let i = 0; i < name.length; i++) own = mixed(own + name.charCodeAt(i));
  const width = out.length / rows.length;
  const limit = rate * 2 ** 32;
  const kept = 1 / (1 - rate);
  for (let r = 0; r < rows.length; r++) {
    const row = mixed(own ^ mixed(rows[r]!));
    for (let c = 0; c < width; c++) out[r * width + c] = mixed(row + Math.imul(c, 0x9e3779b9)) < limit ? 0 : kept;
  }
}
