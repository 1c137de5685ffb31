/** How a compute dtype is emulated: what is rounded to what. */
import type { RoundFormat } from "./algebra.js";
import { formats } from "./formats.js";
import { type Fp8Recipe, fp8Recipes } from "./fp8.js";

export interface Numerics {
  /** Every activation, gradient and weight, after every op; undefined: fp32. */
  readonly round: RoundFormat | undefined;
  /** Operands of the layers' linear products. */
  readonly fp8?: Fp8Recipe;
}

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
      return fp8 === undefined ? undefined : { round: formats.bf16, fp8 };
    }
    default:
      return undefined;
  }
}
