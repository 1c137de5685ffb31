/** Number literals: scale, unit, dimension. */
import { nearest, unitCodes } from "../diagnostics/index.js";
import type { NumberExpr } from "../parser/ast.js";
import type { Span } from "../text/index.js";
import type { Context } from "./context.js";
import type { Quantity, UnitDimension } from "./quantity-type.js";

export type { Quantity, UnitDimension } from "./quantity-type.js";

interface Unit {
  readonly dimension: UnitDimension;
  readonly scale: number;
}

/** What a suffix multiplies by: `8Ki`, `1.2T`. */
export const suffixScales: ReadonlyMap<string, number> = new Map(
  Object.entries({
    k: 1e3,
    K: 1e3,
    M: 1e6,
    G: 1e9,
    B: 1e9,
    T: 1e12,
    Ki: 1024,
    Mi: 1024 ** 2,
    Gi: 1024 ** 3,
    Ti: 1024 ** 4,
  }),
);

function unitTable(): ReadonlyMap<string, Unit> {
  const table = new Map<string, Unit>();
  const add = (dimension: UnitDimension, scale: number, ...names: string[]): void => {
    for (const name of names) table.set(name, { dimension, scale });
  };
  for (const [index, prefix] of ["K", "M", "G", "T", "P"].entries()) {
    add("bytes", 1000 ** (index + 1), `${prefix}B`);
    add("bytes", 1024 ** (index + 1), `${prefix}iB`);
  }
  add("bytes", 1000, "kB");
  add("bytes", 1, "bytes", "byte");
  add("seconds", 1e-3, "ms");
  add("seconds", 1, "s", "sec", "second", "seconds");
  add("seconds", 60, "min", "minute", "minutes");
  add("seconds", 3600, "h", "hour", "hours");
  add("seconds", 86_400, "d", "day", "days");
  add("seconds", 604_800, "week", "weeks");
  add("ratio", 0.01, "%", "percent");
  add("tokens", 1, "tokens", "token");
  add("sequences", 1, "sequences", "sequence");
  add("steps", 1, "steps", "step");
  add("epochs", 1, "epochs", "epoch");
  add("samples", 1, "samples", "sample");
  add("layers", 1, "layers", "layer");
  add("usd", 1, "USD", "dollars");
  return table;
}

const units = unitTable();

/** All suffixes and units, for completion and "did you mean". */
export const unitNames: readonly string[] = [...suffixScales.keys(), ...units.keys()];

/** The units of a dimension, for completion: plain numbers have scales. */
export const unitsOf = (dimension: UnitDimension): readonly string[] =>
  dimension === "count"
    ? [...suffixScales.keys()]
    : [...units].flatMap(([name, unit]) => (unit.dimension === dimension ? [name] : []));

/** Powers of ten above 2^53 keep their written digits: 1.2T is 1.2e12 exactly, not 1.2 × 1e12 rounded twice. */
const scaled = (value: number, scale: number): number => {
  const product = value * scale;
  const rounded = Math.round(product);
  return Math.abs(product - rounded) < Math.abs(product) * 4e-16 ? rounded : product;
};

/** `undefined`: its unit is unknown, and that has been reported. */
export function literal(expr: NumberExpr, context: Context): Quantity | undefined {
  let value = expr.value;
  let dimension: UnitDimension = "count";
  let unitSpan = expr.span;
  const { suffix, unit } = expr;
  if (suffix !== undefined) {
    const scale = suffixScales.get(suffix.text);
    const known = units.get(suffix.text);
    if (scale !== undefined) value = scaled(value, scale);
    else if (known !== undefined) {
      value = scaled(value, known.scale);
      dimension = known.dimension;
      unitSpan = suffix.span;
    } else return unknown(suffix, context);
  }
  if (unit !== undefined) {
    const known = units.get(unit.text);
    const scale = suffixScales.get(unit.text);
    if (known === undefined && scale === undefined) return unknown(unit, context);
    if (dimension !== "count") {
      context.report(
        unitCodes.report(
          "LLMP2003",
          unit.span,
          { found: names(dimension), other: `\`${unit.text}\``, verb: "combined" },
          {
            text: "a second unit",
            labels: [{ span: unitSpan, text: "the first unit" }],
          },
        ),
      );
      return undefined;
    }
    value = scaled(value, known?.scale ?? scale ?? 1);
    dimension = known?.dimension ?? "count";
    unitSpan = unit.span;
  }
  if (expr.currency === "$") {
    if (dimension !== "count" && dimension !== "usd") {
      context.report(
        unitCodes.report(
          "LLMP2003",
          unitSpan,
          { found: "money", other: names(dimension), verb: "combined" },
          {
            labels: [{ span: expr.span, text: "an amount of money" }],
          },
        ),
      );
      return undefined;
    }
    dimension = "usd";
  }
  return { kind: "quantity", value, dimension, span: expr.span, unitSpan };
}

function unknown(unit: { readonly text: string; readonly span: Span }, context: Context): undefined {
  const guess = nearest(unit.text, unitNames);
  context.report(
    unitCodes.report(
      "LLMP2004",
      unit.span,
      { unit: unit.text },
      {
        hints: [
          ...(unit.text === "m" ? ["`M` is a million, `min` is minutes"] : []),
          ...(guess === undefined ? [] : [`did you mean \`${guess}\`?`]),
        ],
        fixes:
          guess === undefined
            ? []
            : [{ title: `Change to \`${guess}\``, edits: [{ span: unit.span, text: guess }], safe: false }],
      },
    ),
  );
  return undefined;
}

const words: Readonly<Record<UnitDimension, string>> = {
  count: "a plain number",
  bytes: "bytes",
  seconds: "time",
  usd: "money",
  ratio: "percent",
  tokens: "tokens",
  sequences: "sequences",
  steps: "steps",
  epochs: "epochs",
  samples: "samples",
  layers: "layers",
};

/** A dimension in words. */
export const names = (dimension: UnitDimension): string => words[dimension];

/** How a dimension is written, for hints. */
export const written: Readonly<Record<UnitDimension, string>> = {
  count: "8Ki",
  bytes: "80GiB",
  seconds: "30min",
  usd: "$500",
  ratio: "70%",
  tokens: "4M tokens",
  sequences: "256 sequences",
  steps: "2000 steps",
  epochs: "3 epochs",
  samples: "1000 samples",
  layers: "2 layers",
};
