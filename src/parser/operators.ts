/** A flat run of operands and operators → a tree. Loosest first: `|`, `..`, `+ -`, `* /`. */
import type { IToken } from "chevrotain";
import type { BinaryExpr, Expr } from "./ast.js";
import type { Messages } from "./messages.js";
import * as t from "./tokens.js";

/** Later stages walk expressions recursively. */
export const maxOperators = 200;

export function operators(file: string, operands: readonly Expr[], signs: readonly IToken[], messages: Messages): Expr {
  const options: Expr[] = [];
  let from = 0;
  for (let i = 0; i <= signs.length; i++) {
    if (i < signs.length && signs[i]?.tokenType !== t.Pipe) continue;
    options.push(range(file, operands.slice(from, i + 1), signs.slice(from, i), messages));
    from = i + 1;
  }
  const first = options[0] as Expr;
  if (options.length === 1) return first;
  return { kind: "choice", options, span: { file, start: first.span.start, end: (options.at(-1) as Expr).span.end } };
}

function range(file: string, operands: readonly Expr[], signs: readonly IToken[], messages: Messages): Expr {
  const dots = signs.flatMap((s, i) => (s.tokenType === t.DotDot ? [i] : []));
  const at = dots[0];
  if (at === undefined) return arithmetic(file, operands, signs, messages);
  if (dots.length > 1) messages.rangeTwice(signs[dots[1] as number] as IToken);
  const end = dots[1] ?? signs.length;
  const min = arithmetic(file, operands.slice(0, at + 1), signs.slice(0, at), messages);
  const max = arithmetic(file, operands.slice(at + 1, end + 1), signs.slice(at + 1, end), messages);
  return { kind: "range", min, max, span: { file, start: min.span.start, end: max.span.end } };
}

function arithmetic(file: string, operands: readonly Expr[], signs: readonly IToken[], messages: Messages): Expr {
  if (signs.length > maxOperators) {
    const span = { file, start: operands[0]?.span.start ?? 0, end: operands.at(-1)?.span.end ?? 0 };
    messages.tooLong(span, maxOperators);
    return { kind: "missing", span };
  }
  const join = (left: Expr, sign: IToken, right: Expr): BinaryExpr => ({
    kind: "binary",
    operator: sign.image as BinaryExpr["operator"],
    left,
    right,
    span: { file, start: left.span.start, end: Math.max(left.span.end, right.span.end) },
  });
  const terms: Expr[] = [operands[0] as Expr];
  const plus: IToken[] = [];
  signs.forEach((sign, i) => {
    const right = operands[i + 1] as Expr;
    if (sign.tokenType === t.Star || sign.tokenType === t.Slash) terms.push(join(terms.pop() as Expr, sign, right));
    else {
      plus.push(sign);
      terms.push(right);
    }
  });
  return terms.slice(1).reduce((left, right, i) => join(left, plus[i] as IToken, right), terms[0] as Expr);
}
