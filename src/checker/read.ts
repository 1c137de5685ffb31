/**
 * A body against the rows of the schema table: types, units, ranges, unknown keys, duplicates. Knows no block by name.
 * What comes out is typed by the row; `checker/blocks` only gives it its place in the pipeline.
 */
import { nameCodes, unitCodes } from "../diagnostics/index.js";
import type { Expr } from "../parser/ast.js";
import { fieldByName } from "../schema/index.js";
import type { Span } from "../text/index.js";
import type { FieldSpec, FieldType } from "../units/index.js";
import type { Context, EffectiveEntry } from "./context.js";
import { literalDefault } from "./defaults.js";
import { type BodyOptions, checkOperator, pairs, unknownKey } from "./entries.js";
import { describe, evaluate, type Value } from "./evaluate.js";
import { expectation, shapeFits } from "./expect.js";
import { nearestHint } from "./hints.js";
import { readQuantity } from "./numbers.js";
import type { Decision, Origin } from "./pipeline.js";
import { resolveRef } from "./refs.js";
import type { FieldRead, Fields, Read } from "./typed.js";

export function readBody(
  entries: readonly EffectiveEntry[],
  specs: readonly FieldSpec[],
  context: Context,
  options: BodyOptions,
): Fields {
  const map = new Map<string, FieldRead>();
  const failed = new Set<string>();
  for (const { entry, from } of entries) {
    const { key } = entry;
    const spec = fieldByName(specs, key.text);
    if (spec === undefined) {
      if (options.accept?.(entry) === true) continue;
      failed.add(key.text);
      unknownKey(key, specs, context, options);
      continue;
    }
    // `--set budget.time=12h` can only mean the limit.
    if (from !== "set") checkOperator(entry, options.limits ?? [], context);
    context.usedSet = false;
    const decision = readField(entry.value, spec, context, from);
    const origin: Origin = context.usedSet ? "set" : from;
    context.usedSet = false;
    if (decision === undefined) failed.add(key.text);
    else map.set(key.text, { spec, decision, from: origin, span: entry.value.span, keySpan: key.span });
  }
  for (const spec of specs) {
    if (map.has(spec.name) || failed.has(spec.name)) continue;
    if (spec.default !== undefined) {
      const decision = readField(literalDefault(spec.default), spec, context, "file");
      if (decision !== undefined) map.set(spec.name, { spec, decision, from: "default" });
    } else if (spec.required === true) {
      failed.add(spec.name);
      context.report(
        unitCodes.report(
          "LLMP2010",
          options.span,
          { owner: options.owner, key: spec.name },
          {
            hints: [`${spec.doc}: \`${spec.name} = ${spec.example}\``],
          },
        ),
      );
    }
  }
  return { owner: options.owner, span: options.span, map, failed };
}

export function readField(
  expr: Expr,
  spec: FieldSpec,
  context: Context,
  from: EffectiveEntry["from"],
): Decision<Read> | undefined {
  const value = evaluate(expr, context);
  if (value === undefined) return undefined;
  const auto = value.kind === "symbol" && value.text === "auto" && !isWord("auto", spec.type);
  const open = value.kind === "choice" || value.kind === "range" || auto;
  if (!open) {
    const read = readType(value, spec.type, spec.name, context, from);
    return read === undefined ? undefined : { kind: "fixed", value: read };
  }
  const record = spec.type.kind === "record";
  if (spec.decidable !== true || (record && value.kind !== "symbol")) {
    context.report(
      unitCodes.report(
        "LLMP2008",
        value.span,
        { key: spec.name, found: describe(value) },
        {
          hints: [
            record ? "inside its braces each key may be a decision" : "the planner does not decide this key",
            `for example \`${spec.name} = ${spec.example}\``,
          ],
        },
      ),
    );
    return undefined;
  }
  if (value.kind === "choice") return readChoice(value.options, spec, context, from);
  if (value.kind === "range") return readRange(value, spec, context);
  return { kind: "auto" };
}

function readChoice(
  options: readonly Expr[],
  spec: FieldSpec,
  context: Context,
  from: EffectiveEntry["from"],
): Decision<Read> | undefined {
  const reads: Read[] = [];
  const seen = new Map<string, Span>();
  let bad = false;
  for (const option of options) {
    const value = evaluate(option, context);
    const read = value === undefined ? undefined : readType(value, spec.type, spec.name, context, from);
    if (read === undefined) {
      bad = true;
      continue;
    }
    const key = "value" in read ? String(read.value) : JSON.stringify(read.kind);
    const before = seen.get(key);
    if (before === undefined) {
      seen.set(key, read.span);
      reads.push(read);
    } else if ("value" in read) {
      context.report(
        unitCodes.report("LLMP2015", read.span, { option: key }, { labels: [{ span: before, text: "first here" }] }),
      );
    }
  }
  if (bad || reads.length === 0) return undefined;
  const only = reads[0];
  return reads.length === 1 && only !== undefined ? { kind: "fixed", value: only } : { kind: "choice", options: reads };
}

function readRange(
  range: Extract<Value, { kind: "range" }>,
  spec: FieldSpec,
  context: Context,
): Decision<Read> | undefined {
  const min = evaluate(range.min, context);
  const max = evaluate(range.max, context);
  if (min === undefined || max === undefined) return undefined;
  const type = spec.type.kind === "oneOf" ? spec.type.types.find((t) => t.kind === "quantity") : spec.type;
  if (type?.kind !== "quantity") {
    context.report(
      unitCodes.report("LLMP2001", range.span, { key: spec.name, expected: expectation(spec.type), found: "a range" }),
    );
    return undefined;
  }
  const low = readType(min, type, spec.name, context, "file");
  const high = readType(max, type, spec.name, context, "file");
  if (low?.kind !== "quantity" || high?.kind !== "quantity") return undefined;
  if (low.value > high.value) {
    context.report(
      unitCodes.report(
        "LLMP2009",
        range.span,
        { detail: `: ${low.value} is more than ${high.value}` },
        {
          hints: [`did you mean \`${high.value}..${low.value}\`?`],
        },
      ),
    );
    return undefined;
  }
  return low.value === high.value ? { kind: "fixed", value: low } : { kind: "range", min: low.value, max: high.value };
}

export function readType(
  value: Value,
  type: FieldType,
  key: string,
  context: Context,
  from: EffectiveEntry["from"],
): Read | undefined {
  const mismatch = (): undefined => mistyped(value, type, key, context);
  switch (type.kind) {
    case "oneOf": {
      const fit = type.types.find((t) => shapeFits(value, t));
      return fit === undefined ? mismatch() : readType(value, fit, key, context, from);
    }
    case "quantity":
      return value.kind === "quantity" ? readQuantity(value, type, key, context) : mismatch();
    case "string":
      return value.kind === "string" ? value : mismatch();
    case "bool":
      return value.kind === "bool" ? value : mismatch();
    case "enum": {
      const word = wordOf(value);
      if (word === undefined) return mismatch();
      if (type.values.some((v) => v.name === word)) return { kind: "word", value: word, span: value.span };
      context.report(
        nameCodes.report(
          "LLMP1003",
          value.span,
          { key, name: word },
          nearestHint(
            word,
            type.values.map((v) => v.name),
            value.span,
          ),
        ),
      );
      return undefined;
    }
    case "ref": {
      const word = wordOf(value) ?? (value.kind === "string" ? value.value : undefined);
      return word === undefined ? mismatch() : resolveRef(word, value.span, type.block, context);
    }
    case "variant": {
      const name = value.kind === "variant" ? value.name.text : wordOf(value);
      if (name === undefined) return mismatch();
      const nameSpan = value.kind === "variant" ? value.name.span : value.span;
      const spec = type.variants.find((v) => v.name === name);
      if (spec === undefined) {
        context.report(
          nameCodes.report(
            "LLMP1003",
            nameSpan,
            { key, name },
            nearestHint(
              name,
              type.variants.map((v) => v.name),
              nameSpan,
            ),
          ),
        );
        return undefined;
      }
      const owner = `\`${name}\``;
      const entries = value.kind === "variant" ? pairs(value.body.entries, context, owner, from) : [];
      const fields = readBody(entries, spec.fields, context, { owner, span: nameSpan });
      return { kind: "variant", name, fields, span: value.span };
    }
    case "record": {
      if (value.kind !== "record") return mismatch();
      const owner = `\`${key}\``;
      const fields = readBody(pairs(value.body.entries, context, owner, from), type.fields, context, {
        owner,
        span: value.span,
      });
      return { kind: "record", fields, span: value.span };
    }
    case "list": {
      if (value.kind !== "list") return mismatch();
      const items: Read[] = [];
      for (const item of value.items) {
        const inner = evaluate(item, context);
        const read = inner === undefined ? undefined : readType(inner, type.of, key, context, from);
        if (read === undefined) return undefined;
        items.push(read);
      }
      return { kind: "list", items, span: value.span };
    }
    case "every": {
      if (value.kind !== "every") return mismatch();
      const interval = evaluate(value.interval, context);
      if (interval === undefined) return undefined;
      if (interval.kind !== "quantity") {
        context.report(
          unitCodes.report("LLMP2001", interval.span, { key, expected: expectation(type), found: describe(interval) }),
        );
        return undefined;
      }
      const read = readQuantity(interval, { kind: "quantity", dimensions: type.of, min: 0.001 }, key, context);
      return read === undefined
        ? undefined
        : { kind: "every", value: read.value, dimension: read.dimension, span: value.span };
    }
  }
}

/** `format = auto` is a word of its own, not a decision. */
const isWord = (word: string, type: FieldType): boolean =>
  type.kind === "enum" && type.values.some((v) => v.name === word);

const wordOf = (value: Value): string | undefined => (value.kind === "symbol" ? value.text : undefined);

function mistyped(value: Value, type: FieldType, key: string, context: Context): undefined {
  if (type.kind === "every" && value.kind === "quantity") {
    context.report(
      unitCodes.report(
        "LLMP2017",
        value.span,
        { key, value: "…" },
        { hints: [`for example \`${key} = every 30min\``] },
      ),
    );
    return;
  }
  const types = type.kind === "oneOf" ? type.types : [type];
  const quoted = value.kind === "symbol" && types.some((t) => t.kind === "string") ? `"${value.text}"` : undefined;
  context.report(
    unitCodes.report(
      "LLMP2001",
      value.span,
      { key, expected: expectation(type), found: describe(value) },
      {
        hints: quoted === undefined ? [] : [`text stands in quotes: \`${quoted}\``],
        fixes:
          quoted === undefined
            ? []
            : [{ title: "Put it in quotes", edits: [{ span: value.span, text: quoted }], safe: false }],
      },
    ),
  );
}
