/**
 * 4-bit NormalFloat (Dettmers et al. 2023, QLoRA): values in blocks of 64, each divided by its largest magnitude and taken to
 * the nearest of 16 quantiles of a normal distribution. Codes are packed eight to an int32; the scales of a whole weight are
 * quantised again (nf4-scales.ts), so a value takes 4.127 bits.
 */
import type { Algebra } from "./algebra.js";
import { packScales, scalesGroup, unpackScales } from "./nf4-scales.js";

export const nf4Block = 64;

/** The 16 levels, as bitsandbytes has them. */
export const nf4Levels: readonly number[] = [
  -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
  -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
  0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
];

export interface Nf4Values {
  readonly codes: Int32Array;
  readonly scales: Float32Array;
}

/** A packed weight on an algebra's side. */
export interface Packed<T> {
  readonly codes: T;
  /** 8-bit codes, four to an int32; without `groups` fp32. */
  readonly scales: T;
  readonly groups?: T;
  readonly shape: readonly number[];
}

const nearest = (x: number): number => {
  let [low, high] = [0, 15];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (nf4Levels[middle]! <= x) low = middle;
    else high = middle;
  }
  return x - nf4Levels[low]! <= nf4Levels[high]! - x ? low : high;
};

export function packNf4(values: Float32Array): Nf4Values {
  const codes = new Int32Array(Math.ceil(values.length / 8));
  const scales = new Float32Array(Math.ceil(values.length / nf4Block));
  for (let block = 0; block < scales.length; block++) {
    const end = Math.min(values.length, (block + 1) * nf4Block);
    let top = 0;
    for (let i = block * nf4Block; i < end; i++) top = Math.max(top, Math.abs(values[i]!));
    scales[block] = top;
    for (let i = block * nf4Block; i < end; i++) {
      const code = nearest(top === 0 ? 0 : values[i]! / top);
      codes[i >> 3] = codes[i >> 3]! | (code << (4 * (i & 7)));
    }
  }
  return { codes, scales };
}

export function unpackNf4(codes: ArrayLike<number>, scales: ArrayLike<number>, out: Float32Array): void {
  for (let i = 0; i < out.length; i++)
    out[i] = nf4Levels[(codes[i >> 3]! >>> (4 * (i & 7))) & 15]! * scales[Math.floor(i / nf4Block)]!;
}

/** The scales of a whole weight as they are stored: those of its parts must be the same. */
export function storedScales(values: Float32Array): Float32Array {
  const { scales } = packNf4(values);
  const { codes, groups } = packScales(scales);
  unpackScales(codes, groups, scales);
  return scales;
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/**
 * @param values empty on an algebra of shapes
 * @param given the scales to store, in fp32, where this is a part of a weight
 */
export function putPacked<T>(
  algebra: Algebra<T>,
  values: Float32Array,
  shape: readonly number[],
  given?: Float32Array,
): Packed<T> {
  const count = sizeOf(shape);
  const blocks = Math.ceil(count / nf4Block);
  const packed = packNf4(values);
  const codes = algebra.ints(packed.codes, [Math.ceil(count / 8)]);
  if (given !== undefined) return { codes, scales: algebra.floats(given, [blocks]), shape };
  const small = packScales(packed.scales);
  return {
    codes,
    scales: algebra.ints(small.codes, [Math.ceil(blocks / 4)]),
    groups: algebra.floats(small.groups, [Math.ceil(blocks / scalesGroup) + 1]),
    shape,
  };
}

export function freePacked<T>(algebra: Algebra<T>, { codes, scales, groups }: Packed<T>): void {
  for (const t of [codes, scales, groups]) if (t !== undefined) algebra.free(t);
}

/** The weight as fp32, as a new tensor. */
export function unpacked<T>(algebra: Algebra<T>, { codes, scales, groups, shape }: Packed<T>): T {
  const count = sizeOf(shape);
  const inputs = groups === undefined ? [codes, scales] : [codes, scales, groups];
  const [w] = algebra.loop(inputs, [shape], { elements: 2 * count }, ([c, s, g], [out]) => {
    if (g === undefined) return unpackNf4(c!, s!, out!);
    const whole = new Float32Array(Math.ceil(count / nf4Block));
    unpackScales(s!, g, whole);
    unpackNf4(c!, whole, out!);
  });
  return w!;
}
