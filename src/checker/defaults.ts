/** Defaults of the schema table are source text of one literal; this reads them without the parser's start-up cost. */
import type { Expr } from "../parser/ast.js";
import type { Span } from "../text/index.js";

export const defaultSpan: Span = { file: "", start: 0, end: 0 };
const span = defaultSpan;
const cache = new Map<string, Expr>();

export function literalDefault(text: string): Expr {
  let expr = cache.get(text);
  if (expr === undefined) {
    expr = read(text);
    cache.set(text, expr);
  }
  return expr;
}

function read(text: string): Expr {
  if (text === "true" || text === "false") return { kind: "bool", value: text === "true", span };
  if (text === "[]") return { kind: "list", items: [], span };
  if (text.startsWith('"')) return { kind: "string", value: text.slice(1, -1), span };
  const number = /^([\d.]+(?:e-?\d+)?)([A-Za-z%]+)?(?: ([a-z]+))?$/.exec(text);
  if (number !== null) {
    const [, digits = "0", suffix, unit] = number;
    return {
      kind: "number",
      value: Number(digits),
      text: digits,
      ...(suffix === undefined ? {} : { suffix: { text: suffix, span } }),
      ...(unit === undefined ? {} : { unit: { text: unit, span } }),
      span,
    };
  }
  return { kind: "name", text, parts: [{ text, span }], span };
}
