/**
 * Double quantisation of nf4's block scales (Dettmers et al. 2023, section 3), as bitsandbytes does it: their mean is taken
 * off, and what is left goes in groups of 256, each divided by its largest magnitude, to the nearest of 256 numbers whose
 * spacing grows with their size ("dynamic map", Dettmers 2016).
 */
export const scalesGroup = 256;

/** bitsandbytes.functional.create_dynamic_map(signed=True, max_exponent_bits=7, total_bits=8), ascending. */
export const dynamicMap: Float32Array = (() => {
  const numbers = [0, 1];
  for (let exponent = 0; exponent < 7; exponent++) {
    const items = 2 ** exponent;
    const step = 0.9 / items;
    for (let k = 0; k < items; k++) {
      const middle = 10 ** (exponent - 6) * (0.1 + (k + 0.5) * step);
      numbers.push(middle, -middle);
    }
  }
  return Float32Array.from(numbers).sort();
})();

function nearest(x: number): number {
  let [low, high] = [0, dynamicMap.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (dynamicMap[middle]! <= x) low = middle;
    else high = middle;
  }
  return x - dynamicMap[low]! <= dynamicMap[high]! - x ? low : high;
}

export interface SmallScales {
  /** Four to an int32. */
  readonly codes: Int32Array;
  /** Largest magnitude of each group, then the mean. */
  readonly groups: Float32Array;
}

export function packScales(scales: Float32Array): SmallScales {
  const count = Math.ceil(scales.length / scalesGroup);
  const codes = new Int32Array(Math.ceil(scales.length / 4));
  const groups = new Float32Array(count + 1);
  const mean = Math.fround(scales.reduce((a, b) => a + b, 0) / Math.max(1, scales.length));
  groups[count] = mean;
  for (let g = 0; g < count; g++) {
    const part = scales.subarray(g * scalesGroup, (g + 1) * scalesGroup).map((s) => s - mean);
    const top = part.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    groups[g] = top;
    part.forEach((x, i) => {
      const at = g * scalesGroup + i;
      codes[at >> 2] = codes[at >> 2]! | (nearest(top === 0 ? 0 : Math.fround(x / top)) << (8 * (at & 3)));
    });
  }
  return { codes, groups };
}

export function unpackScales(codes: ArrayLike<number>, groups: ArrayLike<number>, out: Float32Array): void {
  const mean = groups[groups.length - 1]!;
  for (let i = 0; i < out.length; i++) {
    const code = (codes[i >> 2]! >>> (8 * (i & 3))) & 255;
    out[i] = Math.fround(dynamicMap[code]! * groups[Math.floor(i / scalesGroup)]!) + mean;
  }
}
