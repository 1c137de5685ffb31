import { ascii, number } from "./yaml.js";

export type Toml = string | number | boolean | Float | undefined | readonly Toml[] | { readonly [key: string]: Toml };

/** A number that must be written as a float although it is whole (`1.0`). */
export class Float {
  constructor(readonly value: number) {}
}

const isTable = (value: Toml): value is { readonly [key: string]: Toml } =>
  typeof value === "object" && !Array.isArray(value) && !(value instanceof Float);

function value(item: Toml): string {
  if (item instanceof Float) return Number.isInteger(item.value) ? `${item.value}.0` : number(item.value);
  if (typeof item === "string") return ascii(item);
  if (typeof item === "number") return number(item);
  if (Array.isArray(item)) return `[${(item as readonly Toml[]).map(value).join(", ")}]`;
  if (isTable(item)) throw new Error("inline tables are not written");
  return String(item);
}

/** Tables with bare keys only; strings as JSON literals (a subset of TOML's basic strings). */
export function toml(table: { readonly [key: string]: Toml }, comment: readonly string[] = []): string {
  const lines = comment.map((line) => `# ${line.replace(/[^\x20-\x7e]/g, "?")}`);
  const walk = (entries: { readonly [key: string]: Toml }, path: readonly string[]): void => {
    const pairs = Object.entries(entries).filter(([, v]) => v !== undefined);
    const own = pairs.filter(([, v]) => !isTable(v));
    if (path.length > 0 && own.length > 0) lines.push("", `[${path.join(".")}]`);
    for (const [name, v] of own) lines.push(`${name} = ${value(v)}`);
    for (const [name, v] of pairs) if (isTable(v)) walk(v, [...path, name]);
  };
  walk(table, []);
  return `${lines.join("\n").replace(/^\n/, "")}\n`;
}
