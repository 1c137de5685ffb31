import type { TextEdit } from "vscode-languageserver";
import { hasErrors } from "../../diagnostics/index.js";
import { format, parse } from "../../parser/index.js";
import type { Document } from "../document.js";

/** Only the lines between the first and the last that change, so that the cursor stays. Nothing that was not understood whole is laid out. */
export function formatting(document: Document): readonly TextEdit[] {
  const file = { path: document.path, text: document.text };
  const { value, diagnostics } = parse(file);
  if (hasErrors(diagnostics)) return [];
  const after = format(file, value);
  if (after === document.text) return [];
  const [a, b] = [document.text.split("\n"), after.split("\n")];
  let head = 0;
  while (head < a.length - 1 && head < b.length - 1 && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const lines = b.slice(head, b.length - tail);
  const start = { line: head, character: 0 };
  // Up to the start of the first unchanged line, or the end of the text.
  const end = tail === 0 ? document.position(document.text.length) : { line: a.length - tail, character: 0 };
  return [{ range: { start, end }, newText: tail === 0 ? lines.join("\n") : lines.map((l) => `${l}\n`).join("") }];
}
