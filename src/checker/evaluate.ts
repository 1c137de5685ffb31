/** Expressions → values with dimensions. Arithmetic over params, lets and properties of blocks; nothing else. */
import { nameCodes, unitCodes } from "../diagnostics/index.js";
import type { BinaryExpr, Expr, Ident, NameExpr } from "../parser/ast.js";
import { blockByKeyword, digitWords, fieldByName } from "../schema/index.js";
import type { Span } from "../text/index.js";
import type { Context } from "./context.js";
import { literalDefault } from "./defaults.js";
import { effectiveEntries } from "./inherit.js";
import { literal, names, type Quantity } from "./quantity.js";
import type { Value } from "./value.js";

export type { Value } from "./value.js";

/** A value in the user's words. */
export function describe(value: Value): string {
  switch (value.kind) {
    case "quantity":
      return value.dimension === "count" ? "a number" : names(value.dimension);
    case "string":
      return "text";
    case "bool":
      return `\`${value.value}\``;
    case "symbol":
      return value.text === "auto" ? "`auto`" : `the name \`${value.text}\``;
    case "list":
      return "a list";
    case "record":
      return "a body";
    case "variant":
      return `\`${value.name.text} { … }\``;
    case "every":
      return "an interval";
    case "choice":
      return "a choice";
    case "range":
      return "a range";
  }
}

/** `undefined`: wrong, and reported; or missing, and the parser has reported it. */
export function evaluate(expr: Expr, context: Context, trail: readonly string[] = []): Value | undefined {
  switch (expr.kind) {
    case "number": {
      // `1f1b` is a word of the schema table that begins with a digit.
      const word = expr.suffix === undefined ? "" : expr.text + expr.suffix.text;
      return digitWords.has(word) ? { kind: "symbol", text: word, span: expr.span } : literal(expr, context);
    }
    case "string":
    case "bool":
    case "list":
    case "record":
    case "variant":
    case "every":
    case "choice":
    case "range":
      return expr;
    case "paren":
      return evaluate(expr.inner, context, trail);
    case "unary": {
      const operand = evaluate(expr.operand, context, trail);
      if (operand === undefined) return undefined;
      if (operand.kind !== "quantity") return notNumber(operand, context);
      return { ...operand, value: -operand.value, span: expr.span };
    }
    case "binary":
      return arithmetic(expr, context, trail);
    case "name":
      return nameValue(expr, context, trail);
    case "missing":
      return undefined;
  }
}

function notNumber(value: Value, context: Context): undefined {
  context.report(unitCodes.report("LLMP2012", value.span, { found: describe(value) }));
  return undefined;
}

function arithmetic(expr: BinaryExpr, context: Context, trail: readonly string[]): Value | undefined {
  const left = evaluate(expr.left, context, trail);
  const right = evaluate(expr.right, context, trail);
  if (left === undefined || right === undefined) return undefined;
  if (left.kind !== "quantity") return notNumber(left, context);
  if (right.kind !== "quantity") return notNumber(right, context);
  const dimension = resultDimension(expr.operator, left, right);
  if (dimension === undefined) {
    const verb = { "+": "added", "-": "subtracted", "*": "multiplied", "/": "divided" }[expr.operator];
    context.report(
      unitCodes.report(
        "LLMP2003",
        expr.span,
        { found: names(left.dimension), other: names(right.dimension), verb },
        {
          labels: [
            { span: left.unitSpan, text: names(left.dimension) },
            { span: right.unitSpan, text: names(right.dimension) },
          ],
        },
      ),
    );
    return undefined;
  }
  const [a, b] = [left.value, right.value];
  const value = expr.operator === "+" ? a + b : expr.operator === "-" ? a - b : expr.operator === "*" ? a * b : a / b;
  if (!Number.isFinite(value)) {
    context.report(unitCodes.report("LLMP2011", expr.span, {}));
    return undefined;
  }
  const carrier = left.dimension === dimension && left.dimension !== "count" ? left : right;
  return { kind: "quantity", value, dimension, span: expr.span, unitSpan: carrier.unitSpan };
}

/** A plain number or a percentage scales anything; two quantities of one kind divide to a number. */
function resultDimension(
  operator: BinaryExpr["operator"],
  left: Quantity,
  right: Quantity,
): Quantity["dimension"] | undefined {
  const [a, b] = [left.dimension, right.dimension];
  if (operator === "+" || operator === "-") return a === b ? a : undefined;
  if (operator === "*") {
    if (a === "count" || b === "count")
      return a === "count" ? (b === "ratio" ? "count" : b) : a === "ratio" ? "count" : a;
    return a === "ratio" ? b : b === "ratio" ? a : undefined;
  }
  if (a === b) return "count";
  return b === "count" || b === "ratio" ? a : undefined;
}

function nameValue(expr: NameExpr, context: Context, trail: readonly string[]): Value | undefined {
  const first = expr.parts[0];
  const symbol: Value = { kind: "symbol", text: expr.text, span: expr.span };
  if (first === undefined) return symbol;
  if (expr.parts.length === 1) {
    const item = context.scope.values.get(first.text);
    return item === undefined ? symbol : namedValue(first, context, trail, expr.span);
  }
  const found = property(expr, context, trail);
  return found === "reported" ? undefined : (found ?? symbol);
}

/** The value of a param or let, seen at `span`. */
function namedValue(name: Ident, context: Context, trail: readonly string[], span: Span): Value | undefined {
  const item = context.scope.values.get(name.text);
  if (item === undefined) return undefined;
  if (trail.includes(name.text)) {
    circle(name.text, item.name.span, trail, context);
    return undefined;
  }
  const value = remembered(name.text, trail, span, context, () => {
    const set = context.overrides.get(name.text)?.find((o) => o.path.length === 0);
    if (set !== undefined) context.usedSet = true;
    const expr = set?.value ?? item.value;
    return expr === undefined ? undefined : evaluate(expr, context, [...trail, name.text]);
  });
  // Errors about the value are shown where it is used; a list or body keeps its own place for what is inside.
  return value === undefined ? undefined : { ...value, span };
}

/** Names that may depend on each other in a row; beyond, a mistake or mischief is likelier than a plan. */
const deepest = 200;

/** Each name is evaluated once, so that sums of sums stay cheap. */
function remembered(
  key: string,
  trail: readonly string[],
  span: Span,
  context: Context,
  compute: () => Value | undefined,
): Value | undefined {
  const before = context.memo.get(key);
  if (before !== undefined) {
    if (before.set) context.usedSet = true;
    return before.value;
  }
  if (trail.length > deepest) {
    context.report(unitCodes.report("LLMP2019", span, { count: deepest }));
    return undefined;
  }
  const outer = context.usedSet;
  context.usedSet = false;
  const value = compute();
  context.memo.set(key, { value, set: context.usedSet });
  context.usedSet ||= outer;
  return value;
}

/** Each circle is reported once, wherever it was entered. */
function circle(name: string, span: Span, trail: readonly string[], context: Context): void {
  const names = trail.slice(trail.indexOf(name));
  if (!names.some((n) => context.circular.has(n)))
    context.report(nameCodes.report("LLMP1015", span, { name, chain: [...names, name].join(" → ") }));
  for (const n of names) context.circular.add(n);
}

/** `student.layers`: an entry of a block as written, inherited or by default. `undefined`: no block has that name and key. */
function property(expr: NameExpr, context: Context, trail: readonly string[]): Value | "reported" | undefined {
  const [first, ...rest] = expr.parts;
  if (first === undefined) return undefined;
  const owners = [...context.scope.blocks.entries()].flatMap(([kind, blocks]) => {
    const declared = blocks.get(first.text);
    return declared === undefined ? [] : [{ kind, declared }];
  });
  const key = rest[0];
  if (owners.length === 0 || key === undefined || rest.length !== 1) return undefined;
  const having = owners.filter(({ kind }) => fieldByName(blockByKeyword(kind)?.fields ?? [], key.text) !== undefined);
  if (having.length > 1) {
    const [one, two] = having;
    context.report(
      nameCodes.report("LLMP1017", expr.span, { name: first.text, first: one?.kind ?? "", second: two?.kind ?? "" }),
    );
    return "reported";
  }
  const owner = having[0];
  if (owner === undefined) return undefined;
  const step = expr.text;
  if (trail.includes(step)) {
    circle(step, expr.span, trail, context);
    return "reported";
  }
  const value = remembered(step, trail, expr.span, context, () => {
    const found = effectiveEntries(owner.declared, context).find((e) => e.entry.key.text === key.text);
    if (found?.from === "set") context.usedSet = true;
    const initial = fieldByName(blockByKeyword(owner.kind)?.fields ?? [], key.text)?.default;
    const source = found?.entry.value ?? (initial === undefined ? undefined : literalDefault(initial));
    if (source !== undefined) return evaluate(source, context, [...trail, step]);
    context.report(unitCodes.report("LLMP2012", expr.span, { found: `\`${expr.text}\`, which is not set,` }));
    return undefined;
  });
  return value === undefined ? "reported" : { ...value, span: expr.span };
}
