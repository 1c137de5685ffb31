/** Params: their types, their values after `--set`. */
import { type Diagnostic, nameCodes, nearest, unitCodes } from "../diagnostics/index.js";
import type { Expr, ParamItem } from "../parser/ast.js";
import { parse } from "../parser/index.js";
import { blockByKeyword, fieldByName, paramTypes } from "../schema/index.js";
import type { Context, Override } from "./context.js";
import { describe, evaluate, type Value } from "./evaluate.js";
import { nearestHint } from "./hints.js";
import { known } from "./known.js";
import type { Known } from "./pipeline.js";
import type { Scope } from "./scope.js";

/** The "file" of values from the command line. */
export const setFile = "--set";

/** `--set name=value` and `--set block.key=value`, parsed; what names nothing is reported. */
export function readOverrides(
  set: Readonly<Record<string, string>>,
  scope: Scope,
  report: (d: Diagnostic) => void,
): ReadonlyMap<string, readonly Override[]> {
  const overrides = new Map<string, Override[]>();
  for (const [name, text] of Object.entries(set)) {
    const [owner = "", ...path] = name.split(".");
    const problem = path.length === 0 ? unknownParam(owner, scope) : unknownKey(owner, path, scope);
    if (problem !== undefined) {
      report(nameCodes.report("LLMP1012", undefined, { name, reason: problem.reason }, { hints: problem.hints }));
      continue;
    }
    const item = scope.values.get(owner);
    const type = item?.kind === "param" ? item.type?.text : undefined;
    const value = parseValue(text, type);
    if (value === undefined) {
      report(
        unitCodes.report(
          "LLMP2014",
          undefined,
          { name, value: text },
          { hints: ['write it as in the file: `8`, `80GiB`, `1..4`, `"text"`'] },
        ),
      );
      continue;
    }
    const list = overrides.get(owner) ?? [];
    list.push({ path, value });
    overrides.set(owner, list);
  }
  return overrides;
}

interface Problem {
  readonly reason: string;
  readonly hints: readonly string[];
}

function unknownParam(name: string, scope: Scope): Problem | undefined {
  const item = scope.values.get(name);
  if (item?.kind === "param") return undefined;
  if (item?.kind === "let")
    return { reason: "it is a `let`, and only a `param` can be set", hints: [`declare \`param ${name} = …\``] };
  const params = [...scope.values].flatMap(([key, value]) => (value.kind === "param" ? [key] : []));
  const guess = nearest(name, params);
  const all = params.length === 0 ? "the file declares no params" : `params: ${params.join(", ")}`;
  return { reason: "no param has this name", hints: [guess === undefined ? all : `did you mean \`${guess}\`?`] };
}

function unknownKey(owner: string, path: readonly string[], scope: Scope): Problem | undefined {
  const kinds = [...scope.blocks].filter(([, blocks]) => blocks.has(owner)).map(([kind]) => kind);
  if (scope.budget !== undefined && owner === "budget") kinds.push("budget");
  if (kinds.length === 0) {
    const guess = nearest(
      owner,
      [...scope.blocks.values()].flatMap((blocks) => [...blocks.keys()]),
    );
    return {
      reason: `no block is called \`${owner}\``,
      hints: guess === undefined ? [] : [`did you mean \`${guess}\`?`],
    };
  }
  const fields = kinds.flatMap((kind) => blockByKeyword(kind)?.fields ?? []);
  const key = path[0] ?? "";
  if (fieldByName(fields, key) !== undefined || kinds.includes("mix")) return undefined;
  const guess = nearest(
    key,
    fields.map((f) => f.name),
  );
  return {
    reason: `\`${owner}\` has no key \`${key}\``,
    hints: guess === undefined ? [] : [`did you mean \`${guess}\`?`],
  };
}

/** Text without quotes is fine where the param's type is `string`. */
function parseValue(text: string, type: string | undefined): Expr | undefined {
  const span = { file: setFile, start: 0, end: text.length };
  if (type === "string" && !text.trim().startsWith('"')) return { kind: "string", value: text, span };
  const prefix = "let value = ";
  const outcome = parse({ path: setFile, text: `${prefix}${text}\n` });
  const item = outcome.value?.items[0];
  if (outcome.diagnostics.length > 0 || outcome.value?.items.length !== 1 || item?.kind !== "let") return undefined;
  return item.value.kind === "missing" ? undefined : item.value;
}

export function checkParams(context: Context): Record<string, Known<number | string | boolean>> {
  const values: Record<string, Known<number | string | boolean>> = {};
  for (const [name, item] of context.scope.values) {
    if (item.kind !== "param") {
      evaluate(item.value, context, [name]);
      continue;
    }
    const value = paramValue(name, item, context);
    if (value !== undefined) values[name] = value;
  }
  return values;
}

function paramValue(name: string, item: ParamItem, context: Context): Known<number | string | boolean> | undefined {
  const set = context.overrides.get(name)?.find((o) => o.path.length === 0);
  const expr = set?.value ?? item.value;
  if (item.type !== undefined && !Object.hasOwn(paramTypes, item.type.text)) {
    const details = nearestHint(item.type.text, Object.keys(paramTypes), item.type.span);
    context.report(
      unitCodes.report("LLMP2013", item.type.span, { name, reason: `there is no type \`${item.type.text}\`` }, details),
    );
    return undefined;
  }
  if (expr === undefined) {
    context.report(
      unitCodes.report(
        "LLMP2013",
        item.name.span,
        { name, reason: "it has no value" },
        {
          hints: [`give it one here, or with \`--set ${name}=…\``],
        },
      ),
    );
    return undefined;
  }
  const value = evaluate(expr, context, [name]);
  if (value === undefined) return undefined;
  const wrong = item.type === undefined ? undefined : mismatch(value, item.type.text);
  if (wrong !== undefined) {
    const span = set === undefined ? value.span : item.name.span;
    context.report(
      unitCodes.report(
        "LLMP2013",
        span,
        { name, reason: wrong },
        { hints: [`\`${item.type?.text}\` is ${paramTypes[item.type?.text ?? ""]}`] },
      ),
    );
    return undefined;
  }
  const plain =
    value.kind === "quantity" || value.kind === "string" || value.kind === "bool"
      ? value.value
      : value.kind === "symbol"
        ? value.text
        : describe(value);
  return known(plain, set === undefined ? "file" : "set", set === undefined ? expr.span : undefined);
}

const dimensionOf: Readonly<Record<string, string>> = {
  int: "count",
  float: "count",
  bytes: "bytes",
  time: "seconds",
  money: "usd",
  percent: "ratio",
  tokens: "tokens",
};

function mismatch(value: Value, type: string): string | undefined {
  const dimension = dimensionOf[type];
  if (dimension === undefined) {
    const kind = { string: "string", bool: "bool", name: "symbol" }[type];
    return value.kind === kind ? undefined : `its type is \`${type}\`, but this is ${describe(value)}`;
  }
  // A decision (`1..8`, `a | b`, `auto`) may stand where a number does; the key that it reaches decides.
  if (value.kind === "range" || value.kind === "choice" || (value.kind === "symbol" && value.text === "auto"))
    return undefined;
  if (value.kind !== "quantity" || value.dimension !== dimension)
    return `its type is \`${type}\`, but this is ${describe(value)}`;
  return type === "int" && !Number.isInteger(value.value)
    ? `its type is \`int\`, but ${value.value} is not whole`
    : undefined;
}
