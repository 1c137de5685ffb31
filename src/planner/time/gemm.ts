/** Matrix products: a ceiling, filled waves of tiles, depth, and the roof of memory. */
import type { Rates } from "./rates.js";

const tileRows = 128;
const tileColumns = 256;

/** Seconds of [m, k] × [k, n]; `copies` independent ones in one grouped launch. */
export function gemmSeconds(r: Rates, m: number, n: number, k: number, copies = 1, low = r.lowPrecision): number {
  if (m <= 0) return 0;
  const tiles = copies * Math.ceil(m / tileRows) * Math.ceil(n / tileColumns);
  const waves = tiles / r.units;
  const filled = waves / Math.ceil(waves);
  // Rows that a tile computes for nothing.
  const padded = m / (Math.ceil(m / tileRows) * tileRows);
  const efficiency = Math.sqrt(filled) * Math.sqrt(padded) * (k / (k + r.depth));
  const flops = 2 * m * n * k * copies;
  const bytes = copies * 2 * (m * k + k * n + m * n);
  return Math.max(flops / ((low ? r.gemm : r.gemm16) * efficiency), bytes / r.memory);
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
