/** Whether a JSON value has the shape that a JSON Schema tells (the words that grammar/*.schema.json use). */
export interface JsonSchema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | JsonSchema;
  readonly items?: JsonSchema | readonly JsonSchema[];
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly definitions?: Readonly<Record<string, JsonSchema>>;
}

/**
 * The first thing that is not as the schema says, with its place (`stages[0].time is not an object`), or undefined.
 * Properties that the schema does not know are let pass: a later minor version adds some.
 */
export function misshapen(root: JsonSchema, value: unknown): string | undefined {
  const definitions = new Map(
    Object.entries(root.definitions ?? {}).map(([name, schema]) => [`#/definitions/${name}`, schema]),
  );
  return wrong(root, value, "");

  function wrong(schema: JsonSchema, value: unknown, place: string): string | undefined {
    if (schema.$ref !== undefined) {
      const target = definitions.get(decodeURIComponent(schema.$ref));
      if (target === undefined) throw new Error(`the schema lacks ${schema.$ref}`);
      return wrong(target, value, place);
    }
    const at = place === "" ? "it" : place;
    if (schema.const !== undefined && value !== schema.const) return `${at} is not ${JSON.stringify(schema.const)}`;
    if (schema.enum !== undefined && !schema.enum.includes(value))
      return `${at} is none of ${schema.enum.map((e) => JSON.stringify(e)).join(", ")}`;
    if (schema.anyOf !== undefined) {
      const problems = schema.anyOf.map((s) => wrong(s, value, place));
      // The branch that got furthest is the one that was meant.
      if (!problems.includes(undefined)) return problems.reduce((a, b) => (depth(b) > depth(a) ? b : a));
    }
    const types = typeof schema.type === "string" ? [schema.type] : schema.type;
    if (types !== undefined && !types.some((t) => is(t, value))) return `${at} is not ${named(types)}`;
    if (Array.isArray(value)) return wrongItems(schema, value, place);
    return typeof value === "object" && value !== null ? wrongProperties(schema, value, place) : undefined;
  }

  function wrongItems(schema: JsonSchema, list: readonly unknown[], place: string): string | undefined {
    const { items, minItems = 0, maxItems = Number.POSITIVE_INFINITY } = schema;
    if (list.length < minItems || list.length > maxItems) return `${place} has ${list.length} entries`;
    if (items === undefined) return undefined;
    for (const [i, entry] of list.entries()) {
      const expected = Array.isArray(items) ? (items as readonly JsonSchema[])[i] : (items as JsonSchema);
      const problem = expected === undefined ? undefined : wrong(expected, entry, `${place}[${i}]`);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  function wrongProperties(schema: JsonSchema, object: object, place: string): string | undefined {
    const properties = schema.properties ?? {};
    const inside = (key: string): string => (place === "" ? key : `${place}.${key}`);
    for (const key of schema.required ?? []) if (!Object.hasOwn(object, key)) return `${inside(key)} is missing`;
    for (const [key, entry] of Object.entries(object)) {
      const expected = Object.hasOwn(properties, key) ? properties[key] : schema.additionalProperties;
      const problem = typeof expected === "object" ? wrong(expected, entry, inside(key)) : undefined;
      if (problem !== undefined) return problem;
    }
    return undefined;
  }
}

/** Far above any count of a plan (a training run has some 1e27 operations); a product of five is still finite. */
const largest = 1e60;

/** A number that is larger than any of a plan, anywhere in it (JSON's `1e999` is read as infinite), or undefined. */
export function immense(root: unknown): string | undefined {
  // Not by recursion: parts that no schema knows may be as deep as they like.
  const left: (readonly [unknown, string])[] = [[root, ""]];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const [value, place] = next;
    if (typeof value === "number" && !(Math.abs(value) < largest))
      return `${place || "it"} is ${value}, which is no sensible number`;
    if (Array.isArray(value)) for (const [i, entry] of value.entries()) left.push([entry, `${place}[${i}]`]);
    else if (typeof value === "object" && value !== null)
      for (const [key, entry] of Object.entries(value)) left.push([entry, place === "" ? key : `${place}.${key}`]);
  }
  return undefined;
}

const depth = (problem: string | undefined): number => (problem ?? "").split(/[.[]/).length;

function is(type: string, value: unknown): boolean {
  if (type === "null") return value === null;
  if (type === "array") return Array.isArray(value);
  if (type === "object") return typeof value === "object" && value !== null && !Array.isArray(value);
  if (type === "integer") return Number.isInteger(value);
  const found: string = typeof value;
  return found === type;
}

const named = (types: readonly string[]): string =>
  types.map((t) => (t === "null" ? t : `${/^[aio]/.test(t) ? "an" : "a"} ${t}`)).join(" or ");
