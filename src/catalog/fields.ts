/** Short constructors for rows of field tables, so that a row reads as one line. */
import type { Dimension, EnumValue, FieldSpec, FieldType, VariantSpec } from "../units/index.js";

type Extra = Partial<Pick<FieldSpec, "required" | "default" | "decidable" | "since">>;

export const field = (name: string, type: FieldType, doc: string, example: string, extra: Extra = {}): FieldSpec => ({
  name,
  type,
  doc,
  example,
  since: "0.1",
  ...extra,
});

export const text: FieldType = { kind: "string" };
export const flag: FieldType = { kind: "bool" };
export const quantity = (...dimensions: Dimension[]): FieldType => ({ kind: "quantity", dimensions });
/** A quantity above nothing: amounts of which zero would mean nothing. */
export const positive = (...dimensions: Dimension[]): FieldType => ({ kind: "quantity", dimensions, min: 0.001 });
/** A whole number, at least `min`. */
export const whole = (min = 1, max?: number): FieldType => ({
  kind: "quantity",
  dimensions: ["count"],
  integer: true,
  min,
  ...(max === undefined ? {} : { max }),
});
/** A plain number. */
export const real = (min?: number, max?: number): FieldType => ({
  kind: "quantity",
  dimensions: ["count"],
  ...(min === undefined ? {} : { min }),
  ...(max === undefined ? {} : { max }),
});
export const ratio: FieldType = { kind: "quantity", dimensions: ["ratio"], min: 0, max: 1 };
export const oneOf = (...types: FieldType[]): FieldType => ({ kind: "oneOf", types });
export const list = (of: FieldType): FieldType => ({ kind: "list", of });
export const ref = (...block: string[]): FieldType => ({ kind: "ref", block });
export const record = (fields: readonly FieldSpec[]): FieldType => ({ kind: "record", fields });
export const variant = (variants: readonly VariantSpec[]): FieldType => ({ kind: "variant", variants });
export const every = (...of: (Dimension | "layers")[]): FieldType => ({ kind: "every", of });
/** `words({ none: "no sharding", … })` */
export const words = (values: Readonly<Record<string, string>>): FieldType => ({
  kind: "enum",
  values: Object.entries(values).map(([name, doc]): EnumValue => ({ name, doc })),
});
