/**
 * Flavoured numbers: a plain number is assignable to each, but one flavour is not assignable to another, so that bytes
 * never end up where seconds are meant.
 */
declare const flavour: unique symbol;
type Flavour<Name extends string> = number & { readonly [flavour]?: Name };

export type Bytes = Flavour<"bytes">;
export type Seconds = Flavour<"seconds">;
export type Usd = Flavour<"usd">;
export type Flops = Flavour<"flops">;
export type Tokens = Flavour<"tokens">;
/** 1 = 100%. */
export type Ratio = Flavour<"ratio">;

/** The physical dimension of a written value. `count` has no unit (`8Ki`, `4M`). */
export type Dimension =
  | "count"
  | "bytes"
  | "seconds"
  | "usd"
  | "ratio"
  | "tokens"
  | "sequences"
  | "steps"
  | "epochs"
  | "samples";
