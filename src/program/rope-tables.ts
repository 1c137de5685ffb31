/** Angles of rotary embeddings, with the ways in which contexts were extended. */
import type { Op } from "../model/graph.js";
import { rotaryDim } from "./ops/index.js";
import { num } from "./ops/types.js";

const shaping = [
  "theta",
  "scaling",
  "factor",
  "originalContext",
  "lowFrequencyFactor",
  "highFrequencyFactor",
  "betaFast",
  "betaSlow",
  "mscale",
  "mscaleAllDim",
];

/** Ops of one key have one table. */
export const ropeKey = (op: Op): string => `${rotaryDim(op)}/${shaping.map((k) => op.attrs[k] ?? "").join("/")}`;

/** cos and sin [positions, rotary / 2]. */
export function ropeTables(op: Op, positions: number): { readonly cos: Float32Array; readonly sin: Float32Array } {
  const rotary = rotaryDim(op);
  const half = rotary / 2;
  const theta = num(op, "theta", 10_000);
  const plain = Float64Array.from({ length: half }, (_, j) => theta ** ((-2 * j) / rotary));
  const { frequencies, scale } = scaled(op, plain, rotary, theta);
  const cos = new Float32Array(positions * half);
  const sin = new Float32Array(positions * half);
  for (let p = 0; p < positions; p++)
    for (let j = 0; j < half; j++) {
      const angle = p * (frequencies[j] as number);
      cos[p * half + j] = scale * Math.cos(angle);
      sin[p * half + j] = scale * Math.sin(angle);
    }
  return { cos, sin };
}

/** As `transformers` computes them (modeling_rope_utils.py of 5.23). `scale` is on cosine and sine. */
function scaled(
  op: Op,
  plain: Float64Array,
  rotary: number,
  theta: number,
): { readonly frequencies: Float64Array; readonly scale: number } {
  const factor = num(op, "factor", 1);
  const original = num(op, "originalContext", 8192);
  if (op.attrs.scaling === "linear") return { frequencies: plain.map((f) => f / factor), scale: 1 };
  if (op.attrs.scaling === "llama3") {
    const low = num(op, "lowFrequencyFactor", 1);
    const high = num(op, "highFrequencyFactor", 4);
    const frequencies = plain.map((f) => {
      const wavelength = (2 * Math.PI) / f;
      if (wavelength > original / low) return f / factor;
      if (wavelength <= original / high) return f;
      const smooth = (original / wavelength - low) / (high - low);
      return ((1 - smooth) * f) / factor + smooth * f;
    });
    return { frequencies, scale: 1 };
  }
  if (op.attrs.scaling !== "yarn") return { frequencies: plain, scale: 1 };
  // The dimension that turns so many times within the original context.
  const turning = (turns: number): number =>
    (rotary * Math.log(original / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const first = Math.max(0, Math.floor(turning(num(op, "betaFast", 32))));
  const last = Math.min(rotary - 1, Math.ceil(turning(num(op, "betaSlow", 1))));
  const span = last === first ? 0.001 : last - first;
  const frequencies = plain.map((f, j) => {
    const stretched = Math.min(1, Math.max(0, (j - first) / span));
    return (f / factor) * stretched + f * (1 - stretched);
  });
  const [own, all] = [num(op, "mscale"), num(op, "mscaleAllDim")];
  const scale = own > 0 && all > 0 ? yarnScale(factor, own) / yarnScale(factor, all) : yarnScale(factor, 1);
  return { frequencies, scale };
}

/** YaRN's temperature: logits grow with the context (Peng et al. 2023, eq. 22). */
const yarnScale = (factor: number, mscale: number): number => (factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1);
