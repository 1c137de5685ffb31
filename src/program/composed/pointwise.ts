/** Activations, their slopes, rounding: of plain operations. */
import type { ActivationKind, RoundFormat } from "../algebra.js";
import type { Scope } from "./scope.js";

const c = Math.sqrt(2 / Math.PI);

/** tanh(√(2/π) · (x + 0.044715 x³)) */
function geluTanh<P>(f: Scope<P>, x: P): P {
  const cube = f.mul(f.unary("square", x), 0.044715 * c);
  return f.unary("tanh", f.mul(f.add(cube, c), x));
}
/** Φ(x) of the normal distribution. */
const normal = <P>(f: Scope<P>, x: P): P => f.mul(f.add(f.unary("erf", f.mul(x, Math.SQRT1_2)), 1), 0.5);

const functions: Readonly<Record<ActivationKind, <P>(f: Scope<P>, x: P) => P>> = {
  silu: (f, x) => f.mul(f.unary("sigmoid", x), x),
  gelu: (f, x) => f.mul(normal(f, x), x),
  gelu_tanh: (f, x) => f.mul(f.mul(f.add(geluTanh(f, x), 1), 0.5), x),
  relu: (f, x) => f.unary("relu", x),
  relu_squared: (f, x) => f.unary("square", f.unary("relu", x)),
};
const slopes: Readonly<Record<ActivationKind, <P>(f: Scope<P>, x: P) => P>> = {
  silu(f, x) {
    const s = f.unary("sigmoid", x);
    const y = f.mul(s, x);
    return f.add(f.sub(y, f.mul(y, s)), s);
  },
  gelu(f, x) {
    const density = f.mul(f.unary("exp", f.mul(f.unary("square", x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
    return f.add(f.mul(density, x), normal(f, x));
  },
  gelu_tanh(f, x) {
    const t = geluTanh(f, x);
    const inner = f.add(f.mul(f.unary("square", x), 3 * 0.044715 * c), c);
    const rise = f.mul(f.mul(f.add(f.mul(f.unary("square", t), -1), 1), inner), x);
    return f.mul(f.add(f.add(rise, t), 1), 0.5);
  },
  relu: (f, x) => f.unary("step", x),
  relu_squared: (f, x) => f.mul(f.unary("relu", x), 2),
};
/** Value and slope, with what both need made once. */
export function withSlope<P>(f: Scope<P>, kind: ActivationKind, x: P): readonly [value: P, slope: P] {
  if (kind !== "silu") return [activated(f, kind, x), slope(f, kind, x)];
  const s = f.unary("sigmoid", x);
  const y = f.mul(s, x);
  return [y, f.add(f.sub(y, f.mul(y, s)), s)];
}
export const activated = <P>(f: Scope<P>, kind: ActivationKind, x: P): P => functions[kind](f, x);
export const slope = <P>(f: Scope<P>, kind: ActivationKind, x: P): P => slopes[kind](f, x);

/**
 * To the nearest number of a smaller format, ties to even: by Veltkamp's splitting, and below the smallest normal number by
 * adding and subtracting a number that leaves only the last place. (fp32 subnormals of bf16 stay as they are.)
 */
export function rounded<P>(f: Scope<P>, x: P, { mantissa, emin, largest, saturate }: RoundFormat): P {
  if (f.on.fused.round !== undefined) return f.own(f.on.fused.round(x, { mantissa, emin, largest, saturate }));
  const factor = 2 ** (23 - mantissa) + 1;
  const magnitude = f.unary("abs", x);
  // Products with `factor` must not overflow, so large numbers are split a power of two lower.
  const shrink = 2 ** -64;
  const large = f.greater(magnitude, 2 ** 64);
  const low = f.select(large, f.mul(x, shrink), x);
  const g = f.mul(low, factor);
  const split = f.sub(g, f.sub(g, low));
  let y = f.select(large, f.mul(split, 1 / shrink), split);
  if (emin > -126) {
    const magic = 1.5 * 2 ** (23 + emin - mantissa);
    const small = f.sub(f.add(x, magic), magic);
    y = f.select(f.greater(magnitude, 2 ** emin), y, small);
  }
  if (saturate) return f.max(f.min(y, largest), -largest);
  // Above the largest number the format has infinities, and those and NaN stay.
  const sign = f.sub(f.mul(f.unary("step", x), 2), 1);
  const beyond = f.mul(sign, Number.POSITIVE_INFINITY);
  y = f.select(f.greater(f.unary("abs", y), largest), beyond, y);
  const infinite = f.greater(magnitude, 3.4028234663852886e38);
  return f.select(f.equal(x, x), f.select(infinite, x, y), x);
}
