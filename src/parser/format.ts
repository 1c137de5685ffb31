import type { SourceFile } from "../text/index.js";
import type { Ast } from "./ast.js";

export function format(file: SourceFile, _ast: Ast): string {
  return file.text;
}
