/** A model as keys and values of a `model` block: the form that importers make, and that a block's text is written from. */
import { familyDefaults, type ModelSpec, moeDefaults, moeFallback, type RopeScaling } from "../checker/index.js";
import { blockByKeyword } from "../schema/index.js";
import type { FieldSpec, FieldType } from "../units/index.js";

export type FieldValue = number | string | boolean | RopeScaling;
/** By the schema's names. Quantities are plain counts and ratios (0..1), as in `ModelSpec`. */
export type ModelFields = Readonly<Record<string, FieldValue>>;

const schema: readonly FieldSpec[] = blockByKeyword("model")?.fields ?? [];
const camel = (key: string): string => key.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
/** Where a field of `MoeSpec` has another name than its key. */
const moeNames: Readonly<Record<string, string>> = { expert_groups: "groups" };

/** Every field of a checked model, defaults included. */
export function fieldsOf(spec: ModelSpec): ModelFields {
  const out: Record<string, FieldValue> = {};
  for (const { name } of schema) {
    const own = camel(name);
    const places = [spec, spec.mla, spec.moe] as readonly (Readonly<Record<string, unknown>> | undefined)[];
    const found = places.map((place) => place?.[own] ?? place?.[moeNames[name] ?? own]).find((v) => v !== undefined);
    if (found !== undefined) out[name] = (found as { readonly value: FieldValue }).value;
  }
  return out;
}

/** What the keys that are left out mean, given those that are there. */
export function impliedFields(fields: ModelFields): ModelFields {
  const number = (key: string): number => Number(fields[key] ?? 0);
  const architecture = String(fields.architecture);
  const out: Record<string, FieldValue> = {};
  const snake = (key: string): string => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  for (const [key, value] of Object.entries(familyDefaults[architecture] ?? {})) out[snake(key)] = value;
  out.kv_heads = number("heads");
  out.head_dim =
    fields.kv_rank === undefined
      ? number("hidden") / number("heads")
      : number("nope_head_dim") + number("rope_head_dim");
  if (fields.kv_rank !== undefined) out.q_rank = 0;
  if (fields.experts === undefined) return out;
  for (const [key, value] of Object.entries(moeDefaults[architecture] ?? moeFallback))
    out[key === "groups" ? "expert_groups" : snake(key)] = value;
  out.moe_ffn = number("ffn");
  out.shared_ffn = Number(fields.shared_experts ?? out.shared_experts) * Number(fields.moe_ffn ?? out.moe_ffn);
  return out;
}

/** The fields that a block must write: those that are not implied anyway, in the schema's order. */
export function writtenFields(fields: ModelFields): ModelFields {
  const implied = impliedFields(fields);
  const entries = schema
    .map(({ name }) => [name, fields[name]] as const)
    .filter((e): e is readonly [string, FieldValue] => e[1] !== undefined && e[1] !== implied[e[0]]);
  return Object.fromEntries(entries);
}

/** `model NAME { … }`, without what is implied. `name` must be an identifier. */
export function modelBlock(name: string, fields: ModelFields): string {
  const lines = Object.entries(writtenFields(fields)).map(([key, value]) => {
    const type = schema.find((f) => f.name === key)?.type;
    return `  ${key} = ${fieldText(value, type)}`;
  });
  return `model ${name} {\n${lines.join("\n")}\n}\n`;
}

function fieldText(value: FieldValue, type: FieldType | undefined): string {
  if (typeof value === "object") return scalingText(value, type);
  if (typeof value === "boolean") return String(value);
  if (typeof value === "string") return type?.kind === "string" ? JSON.stringify(value) : value;
  const dimensions = type?.kind === "quantity" ? type.dimensions : [];
  if (dimensions.includes("ratio")) return `${Number((100 * value).toPrecision(12))}%`;
  return numberText(value, dimensions.includes("tokens"));
}

/** Lengths in `Ki` where they are even, other large numbers in groups of three digits, small ones as `1e-5`. */
export function numberText(value: number, length = false): string {
  if (length && value >= 2048 && value % 1024 === 0) return `${value / 1024}Ki`;
  if (Number.isInteger(value) && value >= 10_000 && value < 1e15 && value % 1000 === 0)
    return String(value).replace(/\B(?=(\d{3})+$)/g, "_");
  if (value !== 0 && Math.abs(value) < 1e-3) return value.toExponential().replace("e+", "e");
  return String(value);
}

function scalingText({ kind, ...rest }: RopeScaling, type: FieldType | undefined): string {
  const fields = type?.kind === "variant" ? (type.variants.find((v) => v.name === kind)?.fields ?? []) : [];
  const values = rest as Readonly<Record<string, number | undefined>>;
  const entries = fields.flatMap((f) => {
    const value = values[camel(f.name)];
    if (value === undefined || (f.default !== undefined && Number(f.default) === value)) return [];
    return [`${f.name} = ${fieldText(value, f.type)}`];
  });
  return `${kind} { ${entries.join(", ")} }`;
}
