/** From typed fields to the `Known` and `Setting` of the pipeline. */
import type { Decision, Known, Origin, Setting } from "./pipeline.js";
import type { Fields, Read } from "./typed.js";

/** Where a value came from, with its place. */
const origin = (from: Origin, span: Known<unknown>["span"]) =>
  span === undefined || from === "default" || from === "set" ? { from } : { from, span };

export const known = <T>(value: T, from: Origin = "default", span?: Known<unknown>["span"]): Known<T> => ({
  value,
  ...origin(from, span),
});

/** The fixed value of a key; `undefined` where it is unset, open or wrong. */
export function fixedValue(fields: Fields, key: string): Read | undefined {
  const field = fields.map.get(key);
  return field?.decision.kind === "fixed" ? field.decision.value : undefined;
}

function take<T>(fields: Fields, key: string, pick: (read: Read) => T | undefined): Known<T> | undefined {
  const field = fields.map.get(key);
  if (field === undefined || field.decision.kind !== "fixed") return undefined;
  const value = pick(field.decision.value);
  return value === undefined ? undefined : known(value, field.from, field.span);
}

const pickNumber = (read: Read): number | undefined => (read.kind === "quantity" ? read.value : undefined);
const pickText = (read: Read): string | undefined =>
  read.kind === "string" || read.kind === "word" ? read.value : undefined;
const pickBool = (read: Read): boolean | undefined => (read.kind === "bool" ? read.value : undefined);
const pickTexts = (read: Read): readonly string[] | undefined => {
  if (read.kind === "string" || read.kind === "word") return [read.value];
  return read.kind === "list" ? read.items.flatMap((item) => pickText(item) ?? []) : undefined;
};

export const numberOf = (fields: Fields, key: string): Known<number> | undefined => take(fields, key, pickNumber);
export const boolOf = (fields: Fields, key: string): Known<boolean> | undefined => take(fields, key, pickBool);
export const textsOf = (fields: Fields, key: string): Known<readonly string[]> | undefined =>
  take(fields, key, pickTexts);
/** Text, or a word of the key's enumeration: the caller's type names that enumeration. */
export const textOf = <T extends string = string>(fields: Fields, key: string): Known<T> | undefined =>
  take(fields, key, pickText as (read: Read) => T | undefined);

export function settingOf<T>(fields: Fields, key: string, pick: (read: Read) => T | undefined): Setting<T> | undefined {
  const field = fields.map.get(key);
  if (field === undefined) return undefined;
  const value = mapDecision(field.decision, pick);
  return value === undefined ? undefined : { value, ...origin(field.from, field.span) };
}

export const numberSetting = (fields: Fields, key: string): Setting<number> | undefined =>
  settingOf(fields, key, pickNumber);
export const boolSetting = (fields: Fields, key: string): Setting<boolean> | undefined =>
  settingOf(fields, key, pickBool);
export const textSetting = <T extends string = string>(fields: Fields, key: string): Setting<T> | undefined =>
  settingOf(fields, key, pickText as (read: Read) => T | undefined);

export function mapDecision<T>(decision: Decision<Read>, pick: (read: Read) => T | undefined): Decision<T> | undefined {
  if (decision.kind === "auto" || decision.kind === "range") return decision;
  if (decision.kind === "fixed") {
    const value = pick(decision.value);
    return value === undefined ? undefined : { kind: "fixed", value };
  }
  return { kind: "choice", options: decision.options.flatMap((o) => pick(o) ?? []) };
}

export const fixedSetting = <T>(value: T, from: Origin = "default"): Setting<T> => ({
  value: { kind: "fixed", value },
  from,
});

/** `{ name: value }` without the names whose value is undefined, so that optional properties stay absent. */
export function present<T extends object>(values: { readonly [K in keyof T]: T[K] | undefined }): T {
  const result: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(values)) if (value !== undefined) result[key] = value;
  return result as T;
}

export const camel = (key: string): string => key.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
