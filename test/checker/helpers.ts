import { existsSync, readFileSync } from "node:fs";
import { type CheckOptions, check } from "../../src/checker/index.js";
import type { Pipeline } from "../../src/checker/pipeline.js";
import type { Diagnostic } from "../../src/diagnostics/index.js";
import { parse } from "../../src/parser/index.js";
import { type Host, LineMap } from "../../src/text/index.js";

export const root = new URL("../../", import.meta.url);

const file = (path: string): string | undefined => {
  const url = new URL(path, root);
  return existsSync(url) ? readFileSync(url, "utf8") : undefined;
};

/** The repository's files, with `text` as `path`; globs with "missing" in them match nothing. */
export const hostOf = (path: string, text: string): Host => ({
  read: (wanted) => (wanted === path ? text : file(wanted)),
  glob: (pattern) => (pattern.includes("missing") ? [] : [pattern]),
});

export interface Checked {
  readonly value: Pipeline | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

export function checkText(text: string, options: CheckOptions = {}, path = "main.llmp"): Checked {
  const parsed = parse({ path, text });
  if (parsed.value === undefined) return { value: undefined, diagnostics: parsed.diagnostics };
  const checked = check(parsed.value, hostOf(path, text), options);
  return { value: checked.value, diagnostics: [...parsed.diagnostics, ...checked.diagnostics] };
}

export const checkFile = (path: string, options: CheckOptions = {}): Checked => {
  const text = file(path);
  if (text === undefined) throw new Error(`no file ${path}`);
  return checkText(text, options, path);
};

/** `3:14 error LLMP3004 message`, one line each. */
export function render(diagnostics: readonly Diagnostic[], text: string): string {
  const lines = new LineMap(text);
  return diagnostics
    .map((d) => {
      const at = d.primary === undefined ? undefined : lines.position(d.primary.span.start);
      const place = at === undefined ? "-" : `${at.line}:${at.column}`;
      return [`${place} ${d.severity} ${d.code} ${d.message}`, ...d.hints.map((h) => `  = ${h}`)].join("\n");
    })
    .join("\n");
}
