import { readdirSync, readFileSync } from "node:fs";
import { check } from "../../../../src/checker/index.js";
import { format, parse } from "../../../../src/parser/index.js";
import { at, bytes, type Target, text } from "./types.js";

/** Blocks of the error pages: small, and each is at an edge of the language already. */
const pages = readdirSync(at("docs/errors")).flatMap((f) =>
  [...readFileSync(at("docs/errors", f), "utf8").matchAll(/```llmp\n([\s\S]*?)```/g)].map((m) => bytes(m[1] ?? "")),
);
const std = new Map(readdirSync(at("std")).map((f) => [`std/${f}`, readFileSync(at("std", f), "utf8")]));
const host = { read: (file: string) => std.get(file) };

function inside(source: string, diagnostics: ReturnType<typeof parse>["diagnostics"]): void {
  for (const { primary, code } of diagnostics) {
    if (primary === undefined || primary.span.file !== "main.llmp") continue;
    const { start, end } = primary.span;
    if (!(start >= 0 && end >= start && end <= source.length))
      throw new Error(`${code} points outside: ${start}-${end}`);
  }
}

export const language: readonly Target[] = [
  {
    name: "parser",
    seeds: pages,
    weight: 3,
    run: (input) => {
      const source = text(input);
      const file = { path: "main.llmp", text: source };
      const { value, diagnostics } = parse(file);
      inside(source, diagnostics);
      if (diagnostics.length > 0) return;
      const once = format(file, value);
      const again = parse({ path: "main.llmp", text: once });
      if (again.diagnostics.length > 0) throw new Error("what is formatted no longer parses");
      if (format({ path: "main.llmp", text: once }, again.value) !== once) throw new Error("format is not idempotent");
    },
  },
  {
    name: "checker",
    seeds: pages,
    weight: 3,
    run: (input) => {
      const source = text(input);
      const { value } = parse({ path: "main.llmp", text: source });
      inside(source, check(value, host).diagnostics);
    },
  },
];
