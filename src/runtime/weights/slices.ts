/** Weights that checkpoints keep as parts of one tensor (GPT-2's `c_attn`, Phi-3's `qkv_proj`): one part. */
import type { Slice } from "../../model/graph.js";

export const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Calls `copy(whole offset, part offset, length)` for each contiguous run of the part. */
export function runs(
  shape: readonly number[],
  slice: Slice,
  copy: (whole: number, part: number, length: number) => void,
): void {
  const inner = product(shape.slice(slice.dimension + 1));
  const own = (shape[slice.dimension] ?? 1) * inner;
  const rows = product(shape.slice(0, slice.dimension));
  for (let row = 0; row < rows; row++) copy(row * slice.size * inner + slice.start * inner, row * own, own);
}

/** Shape of the whole that a part of this shape belongs to. */
export const wholeShape = (shape: readonly number[], slice: Slice): readonly number[] =>
  shape.map((dim, i) => (i === slice.dimension ? slice.size : dim));

export function takeSlice(whole: Float32Array, shape: readonly number[], slice: Slice): Float32Array {
  const part = new Float32Array(product(shape));
  runs(shape, slice, (from, to, length) => part.set(whole.subarray(from, from + length), to));
  return part;
}
