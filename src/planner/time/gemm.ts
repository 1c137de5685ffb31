/** Matrix products: a ceiling, filled waves of tiles, depth, and the roof of memory. */
import type { Rates } from "./rates.js";

/** Rows and columns that a library computes at once, and how near to the ceiling a tile of that shape comes. */
const tiles: readonly (readonly [rows: number, columns: number, reach: number])[] = [
  [256, 128, 1],
  [128, 256, 1],
  [128, 128, 0.94],
  [128, 64, 0.8],
  [64, 128, 0.8],
  [64, 64, 0.62],
];

/** Best of the tile shapes: edges that are padded, a last wave that is part empty, sums split over idle units. */
function reached(r: Rates, m: number, n: number, k: number, copies: number): number {
  let best = 0;
  for (const [rows, columns, reach] of tiles) {
    const down = Math.ceil(m / rows);
    const across = Math.ceil(n / columns);
    const used = (m * n) / (down * rows * across * columns);
    let count = copies * down * across;
    let cost = 1;
    if (count < r.units && k >= 2048) {
      const splits = Math.min(Math.floor(r.units / count), Math.floor(k / 1024));
      if (splits > 1) {
        count *= splits;
        cost = 0.88;
      }
    }
    const waves = count / r.units;
    const filled = waves / Math.ceil(waves);
    const all = reach * cost * used ** r.padding * filled ** r.waves;
    if (all > best) best = all;
  }
  return best * (k / (k + r.depth));
}

/** Seconds of [m, k] × [k, n]; `copies` independent ones in one grouped launch. */
export function gemmSeconds(r: Rates, m: number, n: number, k: number, copies = 1, low = r.lowPrecision): number {
  if (m <= 0) return 0;
  const flops = 2 * m * n * k * copies;
  const bytes = copies * 2 * (m * k + k * n + m * n);
  return Math.max(flops / ((low ? r.gemm : r.gemm16) * reached(r, m, n, k, copies)), bytes / r.memory);
}

/** Forward, input gradient and weight gradient of one linear layer over so many rows. */
export interface LinearSeconds {
  readonly forward: number;
  readonly input: number;
  readonly weight: number;
}

export const linearSeconds = (
  r: Rates,
  rows: number,
  inputs: number,
  outputs: number,
  copies = 1,
  low = r.lowPrecision,
): LinearSeconds => ({
  forward: gemmSeconds(r, rows, outputs, inputs, copies, low),
  input: gemmSeconds(r, rows, inputs, outputs, copies, low),
  weight: gemmSeconds(r, inputs, outputs, rows, copies, low),
});
