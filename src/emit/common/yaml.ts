/**
 * YAML that every parser reads alike: block style, strings double-quoted as JSON (pure ASCII, so no YAML 1.1 line breaks,
 * tags, anchors or booleans can slip in from a name), floats with a dot (PyYAML reads `1e-5` as a string).
 */
export type Yaml = string | number | boolean | null | undefined | readonly Yaml[] | { readonly [key: string]: Yaml };

const plainKey = /^[A-Za-z_][A-Za-z0-9_./-]*$/;
const reserved = /^(y|n|yes|no|on|off|true|false|null|none)$/i;

/** A JSON string literal in ASCII; also a valid YAML, Python and JavaScript one. */
export const ascii = (text: string): string =>
  JSON.stringify(text).replace(/[\u007f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** A number that reads back as the same kind everywhere. */
export function number(value: number): string {
  if (!Number.isFinite(value)) throw new Error(`not a finite number: ${value}`);
  const text = String(value);
  if (!text.includes("e")) return text;
  const [mantissa = "", exponent = ""] = text.split("e");
  return `${mantissa.includes(".") ? mantissa : `${mantissa}.0`}e${exponent}`;
}

const key = (name: string): string => (plainKey.test(name) && !reserved.test(name) ? name : ascii(name));

function scalar(value: string | number | boolean | null): string {
  if (value === null) return "null";
  if (typeof value === "string") return ascii(value);
  return typeof value === "number" ? number(value) : String(value);
}

const isMap = (value: Yaml): value is { readonly [key: string]: Yaml } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function block(value: Yaml, indent: string, lines: string[]): void {
  if (Array.isArray(value)) {
    for (const item of value as readonly Yaml[]) {
      if (item === undefined) continue;
      if ((Array.isArray(item) && item.length > 0) || (isMap(item) && hasEntries(item))) {
        const inner: string[] = [];
        block(item, `${indent}  `, inner);
        lines.push(`${indent}- ${(inner[0] ?? "").trimStart()}`, ...inner.slice(1));
      } else lines.push(`${indent}- ${empty(item)}`);
    }
  } else if (isMap(value)) {
    for (const [name, item] of Object.entries(value)) {
      if (item === undefined) continue;
      if (isMap(item) && hasEntries(item)) {
        lines.push(`${indent}${key(name)}:`);
        block(item, `${indent}  `, lines);
      } else if (Array.isArray(item) && item.length > 0) {
        lines.push(`${indent}${key(name)}:`);
        block(item, `${indent}  `, lines);
      } else lines.push(`${indent}${key(name)}: ${empty(item)}`);
    }
  } else lines.push(`${indent}${empty(value)}`);
}

const hasEntries = (map: { readonly [key: string]: Yaml }): boolean => Object.values(map).some((v) => v !== undefined);

function empty(value: Yaml): string {
  if (Array.isArray(value)) return "[]";
  if (isMap(value)) return "{}";
  return scalar(value as string | number | boolean | null);
}

/** The document, ending in a newline. `comment` lines come first. */
export function yaml(value: Yaml, comment: readonly string[] = []): string {
  const lines = comment.map((line) => `# ${line.replace(/[^\x20-\x7e]/g, "?")}`);
  block(value, "", lines);
  return `${lines.join("\n")}\n`;
}
