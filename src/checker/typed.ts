/** Bodies after reading: every value has the type of its row in the schema table. */
import type { Span } from "../text/index.js";
import type { FieldSpec } from "../units/index.js";
import type { Decision, Origin } from "./pipeline.js";
import type { UnitDimension } from "./quantity.js";

/** A value that has the type of its row. */
export type Read =
  | { readonly kind: "quantity"; readonly value: number; readonly dimension: UnitDimension; readonly span: Span }
  | { readonly kind: "string"; readonly value: string; readonly span: Span }
  | { readonly kind: "bool"; readonly value: boolean; readonly span: Span }
  /** An enum's word, or a reference's name. */
  | { readonly kind: "word"; readonly value: string; readonly block?: string; readonly span: Span }
  | { readonly kind: "variant"; readonly name: string; readonly fields: Fields; readonly span: Span }
  | { readonly kind: "record"; readonly fields: Fields; readonly span: Span }
  | { readonly kind: "list"; readonly items: readonly Read[]; readonly span: Span }
  | { readonly kind: "every"; readonly value: number; readonly dimension: UnitDimension; readonly span: Span };

export interface FieldRead {
  readonly spec: FieldSpec;
  readonly decision: Decision<Read>;
  readonly from: Origin;
  /** Of the value as written; absent for defaults. */
  readonly span?: Span;
  readonly keySpan?: Span;
}

/** The fields of one body. `failed` keys were written but wrong (reported); rules stay silent about them. */
export interface Fields {
  readonly owner: string;
  readonly span: Span;
  readonly map: ReadonlyMap<string, FieldRead>;
  readonly failed: ReadonlySet<string>;
}
