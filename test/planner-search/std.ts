import { readFileSync } from "node:fs";
import path from "node:path";
import { check, type Pipeline } from "../../src/checker/index.js";
import { parse } from "../../src/parser/index.js";

const root = path.join(import.meta.dirname, "../..");

/** A checked program that may import `std/`. */
export function checkedPipeline(text: string): Pipeline {
  const { value: ast, diagnostics } = parse({ path: "main.llmp", text });
  const read = (p: string): string | undefined => {
    if (p === "main.llmp") return text;
    try {
      return readFileSync(path.join(root, p), "utf8");
    } catch {
      return undefined;
    }
  };
  const checked = check(ast!, { read, glob: () => [], now: () => 0 });
  const errors = [...diagnostics, ...checked.diagnostics].filter((d) => d.severity === "error");
  if (checked.value === undefined || errors.length > 0) throw new Error(errors.map((d) => d.message).join("\n"));
  return checked.value;
}
