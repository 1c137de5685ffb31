/**
 * FP8 matrix products, emulated: each operand is scaled, rounded to 8 bits and scaled back before an fp32 product. Scales
 * are current ones, by the largest magnitude of the block itself, or delayed ones, by those of the steps before.
 */
import type { Algebra, RoundFormat } from "./algebra.js";
import type { DelayedRecipe, Slot } from "./delayed.js";
import { formats } from "./formats.js";

/** Rows and columns that share a scale; infinity: all of them. */
export type Block = readonly [rows: number, columns: number];
export type Operand = "input" | "weight" | "gradient";

export interface Fp8Recipe {
  readonly format: (operand: Operand) => RoundFormat;
  /** @param along the axis that the product sums over */
  readonly block: (operand: Operand, along: 0 | 1) => Block;
  /** Scales are powers of two (OCP MX v1.0). */
  readonly powerOfTwo: boolean;
  readonly delayed?: DelayedRecipe;
}

const whole = Number.POSITIVE_INFINITY;
const strip = (size: number, along: 0 | 1): Block => (along === 1 ? [1, size] : [size, 1]);
const fine = (block: Fp8Recipe["block"], powerOfTwo = false): Fp8Recipe => ({
  format: () => formats.e4m3,
  block,
  powerOfTwo,
});

/** One scale a tensor; gradients have range rather than precision (Micikevicius et al. 2022). */
const tensorwise: Fp8Recipe = {
  format: (operand) => (operand === "gradient" ? formats.e5m2 : formats.e4m3),
  block: () => [whole, whole],
  powerOfTwo: false,
};

export const fp8Recipes: Readonly<Record<string, Fp8Recipe | undefined>> = {
  tensorwise,
  /** Defaults of Transformer Engine 2.x: DelayedScaling(margin=0, amax_history_len=1024, amax_compute_algo="max"). */
  delayed: { ...tensorwise, delayed: { history: 1024, margin: 0 } },
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

/** Values as 8 bits hold them under a scale that is given; what is beyond saturates. */
function quantiseBy(x: Float32Array, scale: number, format: RoundFormat, out: Float32Array): void {
  for (let i = 0; i < x.length; i++) out[i] = roundValue(Math.fround(x[i]! * scale), format) / scale;
}

/** A slot, and whether what is seen now counts for later steps (in training). */
export interface Scaling {
  readonly slot: Slot;
  readonly record: boolean;
}

function quantiseDelayed(x: Float32Array, { slot, record }: Scaling, out: Float32Array): void {
  if (record) for (let i = 0; i < x.length; i++) slot.amax = Math.max(slot.amax, Math.abs(x[i]!));
  quantiseBy(x, slot.scale, slot.format, out);
}

/** A matrix as an operand of an fp8 product, as a new tensor. @param scaling of a delayed recipe */
export function operand<T>(
  algebra: Algebra<T>,
  recipe: Fp8Recipe,
  x: T,
  kind: Operand,
  along: 0 | 1,
  scaling?: Scaling,
): T {
  const shape = algebra.shape(x) as [number, number];
  const size = shape[0] * shape[1];
  const [q] = algebra.loop([x], [shape], { elements: 4 * size, exponentials: size }, ([from], [to]) => {
    if (scaling !== undefined) quantiseDelayed(from as Float32Array, scaling, to!);
    else quantise(from as Float32Array, shape, recipe.block(kind, along), recipe.format(kind), recipe.powerOfTwo, to!);
  });
  return q!;
}
