/** How a compute dtype is emulated: what is rounded to what. */
import type { RoundFormat } from "./algebra.js";
import { DelayedScaling } from "./delayed.js";
import { formats } from "./formats.js";
import { type Fp8Recipe, fp8Recipes } from "./fp8.js";

export interface Numerics {
  /** Every activation, gradient and weight, after every op; undefined: fp32. */
  readonly round: RoundFormat | undefined;
  /** Operands of the layers' linear products. */
  readonly fp8?: Fp8Recipe;
  /** Of a delayed recipe; changes as training goes on. */
  readonly scaling?: DelayedScaling;
}

/** Whether products are rounded to 8 bits, and by which scales. */
export const eightBits = (numerics: Numerics | undefined): boolean | "delayed" =>
  numerics?.scaling !== undefined ? "delayed" : numerics?.fp8 !== undefined;

/** Undefined where it is not emulated. @param recipe of fp8 and mxfp8 */
export function numericsOf(compute: string, recipe: string): Numerics | undefined {
  switch (compute) {
    case "fp32":
    case "tf32":
      return { round: undefined };
    case "bf16":
      return { round: formats.bf16 };
    case "fp16":
      return { round: formats.fp16 };
    case "fp8":
    case "mxfp8": {
      const fp8 = fp8Recipes[recipe];
      if (fp8 === undefined) return undefined;
      const { delayed } = fp8;
      return { round: formats.bf16, fp8, ...(delayed === undefined ? {} : { scaling: new DelayedScaling(delayed) }) };
    }
    default:
      return undefined;
  }
}
