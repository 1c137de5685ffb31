import type { Dimension } from "./types.js";

/** The type of a value of a key, as the schema table states it. */
export type FieldType =
  | {
      readonly kind: "quantity";
      readonly dimensions: readonly Dimension[];
      readonly integer?: boolean;
      readonly min?: number;
      readonly max?: number;
    }
  | { readonly kind: "string"; readonly pattern?: string }
  | { readonly kind: "bool" }
  | { readonly kind: "enum"; readonly values: readonly EnumValue[] }
  /** A reference to a block of that kind (`model`, `dataset`, `cluster`…), by name. */
  | { readonly kind: "ref"; readonly block: readonly string[] }
  /** A named variant with an optional body: `adamw { lr = 3e-4 }`, `cosine { warmup = 2000 steps }`, or its bare name. */
  | { readonly kind: "variant"; readonly variants: readonly VariantSpec[] }
  /** An anonymous body: `{ tensor = 8, pipeline = 1..4 }`. */
  | { readonly kind: "record"; readonly fields: readonly FieldSpec[] }
  | { readonly kind: "list"; readonly of: FieldType }
  /** `every 30min`, `every 2 layers`. */
  | { readonly kind: "every"; readonly of: readonly (Dimension | "layers")[] }
  /** Any one of these. */
  | { readonly kind: "oneOf"; readonly types: readonly FieldType[] };

export interface EnumValue {
  readonly name: string;
  readonly doc: string;
}

export interface VariantSpec {
  readonly name: string;
  readonly doc: string;
  readonly fields: readonly FieldSpec[];
}

/** One row of the schema table: one key of one block. The checker, completion, hover, the formatter and the reference docs read it. */
export interface FieldSpec {
  readonly name: string;
  readonly type: FieldType;
  readonly doc: string;
  readonly required?: boolean;
  /** Source text of the default; absent: no default (unset). */
  readonly default?: string;
  /** `auto`, a range or a choice may be written, and the planner decides. */
  readonly decidable?: boolean;
  readonly example: string;
  readonly since: string;
}
