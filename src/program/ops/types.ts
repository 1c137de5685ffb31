import type { Op } from "../../model/graph.js";
import type { Algebra, RoundFormat } from "../algebra.js";
import type { Fp8Recipe, Operand, Scaling } from "../fp8.js";
import type { Noise } from "../noise.js";
import type { RankLinks } from "../parallel/types.js";
import type { LayerRouting } from "./route.js";

/** Keys and values of the tokens before, while generating. */
export interface KeyValueCache<T> {
  /** Those of an attention op with new rows behind; the cache owns them. */
  extend(op: Op, k: T, v: T): { readonly k: T; readonly v: T };
}

/** What ops of one layer see while they run. */
export interface OpContext<T> {
  readonly algebra: Algebra<T>;
  readonly sequences: number;
  readonly length: number;
  /** int32 [tokens] */
  readonly tokens: T;
  readonly positions: T;
  /** int32 [sequences, length] */
  readonly segments: T | undefined;
  /** cos and sin [positions, rotary / 2] of a RoPE op. */
  readonly rope: (op: Op) => { readonly cos: T; readonly sin: T };
  /** A weight by the name pattern in the layer kind, and the number of its expert where it has one. */
  readonly weight: (name: string, expert?: number) => T;
  /** A weight that is stored in fewer bits, as a new tensor; undefined for others. */
  readonly unpacked?: ((name: string, expert?: number) => T | undefined) | undefined;
  /** Where its gradient adds up; undefined for frozen weights. */
  readonly gradient: (name: string, expert?: number) => T | undefined;
  /** In layers of experts; `counts`: where tokens go moves the correction bias. */
  readonly routing?: { readonly layer: LayerRouting; readonly auxScale: number; readonly counts: boolean } | undefined;
  /** Activations and their gradients are rounded to this after every op; undefined: fp32. */
  readonly round: RoundFormat | undefined;
  /** Operands of linear products are rounded to 8 bits. */
  readonly fp8?: Fp8Recipe | undefined;
  /** Under a delayed recipe. */
  readonly scaling?: ((op: Op, kind: Operand) => Scaling) | undefined;
  /** On one rank of several. */
  readonly links?: RankLinks | undefined;
  /** Where a rank has some rows of the embedding: ids among them, and which tokens have theirs elsewhere. */
  readonly vocabPart?: { readonly ids: T; readonly elsewhere: readonly number[] } | undefined;
  /** Where a rank has some columns of the logits: the first of them. */
  readonly firstColumn?: number | undefined;
  readonly cache?: KeyValueCache<T> | undefined;
  /** Where dropout applies: in training. */
  readonly noise?: Noise | undefined;
}

export interface Saved<T> {
  readonly inputs: readonly (T | undefined)[];
  readonly outputs: readonly (T | undefined)[];
  readonly internals: readonly (T | undefined)[];
}

/** One kind of op. Forward makes new handles; backward gives a new handle per input, or undefined where there is no gradient. */
export interface OpProgram {
  /** How many internal tensors forward gives (norm statistics, log-sum-exp). */
  readonly internals: (op: Op) => number;
  /** Indices of inputs and outputs that backward reads. */
  readonly needs: (op: Op) => { readonly inputs: readonly number[]; readonly outputs: readonly number[] };
  forward<T>(
    context: OpContext<T>,
    op: Op,
    inputs: readonly T[],
  ): { readonly outputs: readonly T[]; readonly internals: readonly T[] };
  backward<T>(context: OpContext<T>, op: Op, saved: Saved<T>, gradients: readonly T[]): readonly (T | undefined)[];
}

export const num = (op: Op, name: string, otherwise = 0): number => {
  const value = op.attrs[name];
  return typeof value === "number" ? value : otherwise;
};
export const flag = (op: Op, name: string, otherwise = false): boolean => {
  const value = op.attrs[name];
  return typeof value === "boolean" ? value : otherwise;
};

/** Uses a weight that may be stored in fewer bits. */
export function withWeight<T, R>(
  { algebra, unpacked, weight }: OpContext<T>,
  name: string,
  use: (w: T) => R,
  expert?: number,
): R {
  const whole = unpacked?.(name, expert);
  const result = use(whole ?? weight(name, expert));
  if (whole !== undefined) algebra.free(whole);
  return result;
}
