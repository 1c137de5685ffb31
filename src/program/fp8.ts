/**
 * FP8 matrix products, emulated: each operand is scaled by its block's largest magnitude, rounded to 8 bits and scaled back
 * before an fp32 product. Scales are current ones, of the tensor itself.
 */
import type { Algebra, RoundFormat } from "./algebra.js";
import { formats } from "./formats.js";

/** Rows and columns that share a scale; infinity: all of them. */
export type Block = readonly [rows: number, columns: number];
type Operand = "input" | "weight" | "gradient";

export interface Fp8Recipe {
  readonly format: (operand: Operand) => RoundFormat;
  /** @param along the axis that the product sums over */
  readonly block: (operand: Operand, along: 0 | 1) => Block;
  /** Scales are powers of two (OCP MX v1.0). */
  readonly powerOfTwo: boolean;
}

const whole = Number.POSITIVE_INFINITY;
const strip = (size: number, along: 0 | 1): Block => (along === 1 ? [1, size] : [size, 1]);
const fine = (block: Fp8Recipe["block"], powerOfTwo = false): Fp8Recipe => ({
  format: () => formats.e4m3,
  block,
  powerOfTwo,
});

export const fp8Recipes: Readonly<Record<string, Fp8Recipe | undefined>> = {
  /** One scale a tensor; gradients have range rather than precision (Micikevicius et al. 2022). */
  tensorwise: {
    format: (operand) => (operand === "gradient" ? formats.e5m2 : formats.e4m3),
    block: () => [whole, whole],
    powerOfTwo: false,
  },
  rowwise: fine((_, along) => strip(whole, along)),
  /** DeepSeek-V3, section 3.3.2. */
  blockwise: fine((operand, along) => (operand === "weight" ? [128, 128] : strip(128, along))),
  mx: fine((_, along) => strip(32, along), true),
};

const bits = new Uint32Array(1);
const single = new Float32Array(bits.buffer);

/** To nearest, ties to even, saturating; of a number whose fp32 is normal. */
export function roundValue(value: number, { mantissa, emin, largest }: RoundFormat): number {
  single[0] = value;
  const exponent = Math.max(((bits[0]! >>> 23) & 255) - 127, emin);
  const step = 2 ** (exponent - mantissa);
  const places = Math.abs(value) / step;
  const below = Math.floor(places);
  const rest = places - below;
  const up = rest > 0.5 || (rest === 0.5 && below % 2 === 1);
  return Math.sign(value) * Math.min(largest, (below + (up ? 1 : 0)) * step);
}

/** Values of a matrix [rows, columns] as 8 bits hold them. */
export function quantise(
  x: Float32Array,
  [rows, columns]: readonly [number, number],
  [tall, wide]: Block,
  format: RoundFormat,
  powerOfTwo: boolean,
  out: Float32Array,
): void {
  const [h, w] = [Math.min(tall, rows), Math.min(wide, columns)];
  const eachOf = (r0: number, c0: number, visit: (i: number) => void): void => {
    for (let r = r0; r < Math.min(rows, r0 + h); r++)
      for (let c = c0; c < Math.min(columns, c0 + w); c++) visit(r * columns + c);
  };
  for (let r0 = 0; r0 < rows; r0 += h)
    for (let c0 = 0; c0 < columns; c0 += w) {
      let top = 0;
      eachOf(r0, c0, (i) => {
        top = Math.max(top, Math.abs(x[i]!));
      });
      // MX: the block's exponent less the format's largest.
      const scale = Math.fround(
        top === 0
          ? 1
          : powerOfTwo
            ? 2 ** (Math.floor(Math.log2(format.largest)) - Math.floor(Math.log2(top)))
            : format.largest / top,
      );
      eachOf(r0, c0, (i) => {
        out[i] = roundValue(Math.fround(x[i]! * scale), format) / scale;
      });
    }
}

/** A matrix as an operand of an fp8 product, as a new tensor. */
export function operand<T>(algebra: Algebra<T>, recipe: Fp8Recipe, x: T, kind: Operand, along: 0 | 1): T {
  const shape = algebra.shape(x) as [number, number];
  const size = shape[0] * shape[1];
  const [q] = algebra.loop([x], [shape], { elements: 4 * size, exponentials: size }, ([from], [to]) => {
    quantise(from as Float32Array, shape, recipe.block(kind, along), recipe.format(kind), recipe.powerOfTwo, to!);
  });
  return q!;
}
