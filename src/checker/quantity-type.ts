import type { Span } from "../text/index.js";
import type { Dimension } from "../units/index.js";

/** `layers` is a unit of `every 2 layers` only. */
export type UnitDimension = Dimension | "layers";

/** A number with its dimension, in SI or plain counts. */
export interface Quantity {
  readonly kind: "quantity";
  readonly value: number;
  readonly dimension: UnitDimension;
  /** The whole expression. */
  readonly span: Span;
  /** Where its unit is written, for "both places". */
  readonly unitSpan: Span;
}
