/** Parts of row-major matrices in host memory. */

/** Columns `first`…`last` of [rows, width]. */
export function columns(x: Float32Array, width: number, first: number, last: number): Float32Array {
  const rows = x.length / width;
  const out = new Float32Array(rows * (last - first));
  for (let r = 0; r < rows; r++) out.set(x.subarray(r * width + first, r * width + last), r * (last - first));
  return out;
}

/** Column blocks of one matrix, as an all-gather brings them: one after the other, side by side again. */
export function besides(x: Float32Array, rows: number, bounds: readonly number[]): Float32Array {
  const width = bounds.at(-1)!;
  const out = new Float32Array(rows * width);
  let at = 0;
  for (let part = 0; part + 1 < bounds.length; part++) {
    const size = bounds[part + 1]! - bounds[part]!;
    for (let r = 0; r < rows; r++) out.set(x.subarray(at + r * size, at + (r + 1) * size), r * width + bounds[part]!);
    at += rows * size;
  }
  return out;
}

/** The part of a tensor of `shape` that lies between `first` and `last` of dimension `dim` (0 or 1). */
export function slab(
  x: Float32Array,
  shape: readonly number[],
  dim: number,
  first: number,
  last: number,
): Float32Array {
  if (dim === 1) return columns(x, shape[1]!, first, last);
  const width = shape.slice(1).reduce((a, b) => a * b, 1);
  return x.slice(first * width, last * width);
}
