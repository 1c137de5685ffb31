import { ascii, number } from "./yaml.js";

/** One word for POSIX shells, whatever it holds. Control characters never get here (see `names.ts`). */
export const sh = (word: string): string =>
  /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replace(/'/g, `'\\''`)}'`;

export type Literal =
  | string
  | number
  | boolean
  | null
  | undefined
  | readonly Literal[]
  | { readonly [k: string]: Literal };

/** A Python expression: JSON literals with Python's names for true, false and null. */
export function py(value: Literal): string {
  if (value === null || value === undefined) return "None";
  if (typeof value === "string") return ascii(value);
  if (typeof value === "number") return number(value);
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${(value as readonly Literal[]).map(py).join(", ")}]`;
  return `{${Object.entries(value)
    .filter(([, v]) => v !== undefined)
    .map(([k, v]) => `${ascii(k)}: ${py(v)}`)
    .join(", ")}}`;
}

/** JSON, two spaces, ASCII, final newline. */
export const json = (value: unknown): string =>
  `${JSON.stringify(value, null, 2).replace(/[\u007f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`)}\n`;
