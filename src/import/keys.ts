/** Reads keys of a foreign configuration, and remembers which were read: the rest is reported. */
import { type Diagnostic, importCodes } from "../diagnostics/index.js";
import { isRecord } from "../model/index.js";

export { isRecord };

/** `{ a: { b: 1 } }` → `{ "a.b": 1 }`; lists stay as they are. */
export function flatten(value: Readonly<Record<string, unknown>>, prefix = ""): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, v]) =>
      isRecord(v) && Object.keys(v).length > 0
        ? Object.entries(flatten(v, `${prefix}${key}.`))
        : [[`${prefix}${key}`, v]],
    ),
  );
}

export class Keys {
  readonly #used = new Set<string>();

  constructor(
    readonly all: Readonly<Record<string, unknown>>,
    readonly path: string,
    readonly diagnostics: Diagnostic[],
  ) {}

  lost(what: string): void {
    this.diagnostics.push(importCodes.report("LLMP7003", undefined, { what }));
  }

  /** The first of these keys that says something. */
  raw(...keys: string[]): unknown {
    for (const key of keys) this.#used.add(key);
    return keys.map((key) => this.all[key]).find((v) => v !== undefined && v !== null && v !== "");
  }

  number(...keys: string[]): number | undefined {
    const value = this.raw(...keys);
    if (value === undefined || value === "auto") return undefined;
    // YAML 1.1 takes 2e-4 for text.
    const number = typeof value === "number" ? value : Number(String(value).replaceAll("_", ""));
    if (Number.isFinite(number) && typeof value !== "boolean") return number;
    const key = keys.find((k) => this.all[k] === value) ?? keys[0] ?? "";
    const why = `is ${JSON.stringify(value)}, where a number is due`;
    this.diagnostics.push(importCodes.report("LLMP7004", undefined, { path: this.path, key, why }));
    return undefined;
  }

  text(...keys: string[]): string | undefined {
    const value = this.raw(...keys);
    return value === undefined ? undefined : String(value);
  }

  flag(...keys: string[]): boolean {
    const value = this.raw(...keys);
    return value === true || /^(true|yes|1)$/i.test(String(value));
  }

  list(...keys: string[]): readonly unknown[] {
    const value = this.raw(...keys);
    return value === undefined ? [] : Array.isArray(value) ? value : [value];
  }

  /** Names what the file says beyond what was read, but for `silent` keys and switches that are off. */
  rest(silent: RegExp): void {
    for (const [key, value] of Object.entries(this.all)) {
      if (this.#used.has(key) || silent.test(key)) continue;
      if (value === null || value === undefined || value === false || value === "" || value === "none") continue;
      if (Array.isArray(value) && value.length === 0) continue;
      const shown = JSON.stringify(value) ?? String(value);
      this.lost(`${key} = ${shown.length > 60 ? `${shown.slice(0, 57)}…` : shown}`);
    }
  }
}
