/**
 * What every word of an item means, by the schema table: hover, definition, references, rename, semantic tokens and hints
 * are all read off this list.
 */
import type { BlockItem, Body, Expr, Ident, Item, NumberExpr } from "../parser/ast.js";
import {
  type BlockSpec,
  blockByKeyword,
  fieldByName,
  paramTypes,
  type StatementSpec,
  statements,
} from "../schema/index.js";
import type { EnumValue, FieldSpec, FieldType, VariantSpec } from "../units/index.js";

/** Where a site stands: the block and the keys above it. */
export interface Owner {
  readonly kind: string;
  readonly name: string;
  /** `["parallel", "tensor"]` */
  readonly path: readonly string[];
}

export type Meaning =
  | { readonly kind: "keyword"; readonly spec?: BlockSpec | StatementSpec; readonly item: Item }
  | { readonly kind: "declaration"; readonly of: string; readonly item: Item }
  | { readonly kind: "key"; readonly field: FieldSpec; readonly value: Expr; readonly block?: BlockSpec }
  | { readonly kind: "unknown-key"; readonly value: Expr }
  /** A name where blocks of these kinds may stand; params and lets may stand anywhere. */
  | { readonly kind: "name"; readonly of: readonly string[]; readonly field?: FieldSpec }
  | { readonly kind: "property"; readonly of: string; readonly key: string }
  | { readonly kind: "word"; readonly value: EnumValue; readonly field: FieldSpec }
  | { readonly kind: "variant"; readonly variant: VariantSpec; readonly field: FieldSpec }
  | { readonly kind: "auto"; readonly field: FieldSpec }
  | { readonly kind: "number"; readonly expr: NumberExpr; readonly field?: FieldSpec }
  | { readonly kind: "unit"; readonly expr: NumberExpr; readonly field?: FieldSpec }
  | { readonly kind: "string"; readonly import?: boolean }
  | { readonly kind: "type"; readonly doc: string }
  | { readonly kind: "bool" };

export interface Site {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly owner?: Owner;
  readonly meaning: Meaning;
}

/** All alternatives of a type that `test` accepts, through `oneOf` and, where the value is one, lists. */
export function alternatives(type: FieldType): readonly FieldType[] {
  return type.kind === "oneOf" ? type.types.flatMap(alternatives) : [type];
}

export function sitesOf(item: Item, text: string): readonly Site[] {
  const sites: Site[] = [];
  const put = (span: { readonly start: number; readonly end: number }, meaning: Meaning, owner?: Owner): void => {
    if (span.end > span.start)
      sites.push({
        start: span.start,
        end: span.end,
        text: text.slice(span.start, span.end),
        meaning,
        ...(owner === undefined ? {} : { owner }),
      });
  };
  const declare = (ident: Ident, of: string): void => put(ident.span, { kind: "declaration", of, item });
  if (item.kind !== "block") {
    const spec = statements.find((s) => s.keyword === item.kind);
    const { start } = item.span;
    put({ start, end: start + item.kind.length }, { kind: "keyword", item, ...(spec === undefined ? {} : { spec }) });
    if (item.kind === "import") put(item.path.span, { kind: "string", import: true });
    else {
      declare(item.name, item.kind);
      if (item.kind === "param" && item.type !== undefined)
        put(item.type.span, { kind: "type", doc: paramTypes[item.type.text] ?? "" });
      if (item.value !== undefined) value(item.value, undefined, undefined, put);
    }
    return sites;
  }
  const spec = blockByKeyword(item.keyword.text);
  put(item.keyword.span, { kind: "keyword", item, ...(spec === undefined ? {} : { spec }) });
  if (item.name !== undefined) declare(item.name, item.keyword.text);
  if (item.parent !== undefined) put(item.parent.span, { kind: "name", of: [item.keyword.text] });
  if (item.from !== undefined) put(item.from.span, { kind: "name", of: ["train"] });
  if (spec === undefined) return sites;
  block(item, spec, put);
  return sites;
}

type Put = (span: { readonly start: number; readonly end: number }, meaning: Meaning, owner?: Owner) => void;

function block(item: BlockItem, spec: BlockSpec, put: Put): void {
  const owner: Owner = { kind: spec.keyword, name: item.name?.text ?? spec.keyword, path: [] };
  const open = (entries: Body["entries"]): void => {
    for (const entry of entries) {
      if (entry.kind === "phase") {
        value(entry.at, undefined, owner, put);
        open(entry.body.entries);
        continue;
      }
      const field = fieldByName(spec.fields, entry.key.text);
      const at = { ...owner, path: [entry.key.text] };
      if (field !== undefined) {
        put(entry.key.span, { kind: "key", field, value: entry.value, block: spec }, at);
        value(entry.value, field, at, put);
      } else if (spec.open !== undefined) {
        put(entry.key.span, { kind: "name", of: spec.open.keys }, at);
        value(entry.value, spec.open.value, at, put);
      } else {
        put(entry.key.span, { kind: "unknown-key", value: entry.value }, at);
        value(entry.value, undefined, at, put);
      }
    }
  };
  open(item.body.entries);
}

function body(entries: Body["entries"], fields: readonly FieldSpec[], owner: Owner | undefined, put: Put): void {
  for (const entry of entries) {
    if (entry.kind === "phase") continue;
    const field = fieldByName(fields, entry.key.text);
    const at = owner === undefined ? undefined : { ...owner, path: [...owner.path, entry.key.text] };
    if (field === undefined) put(entry.key.span, { kind: "unknown-key", value: entry.value }, at);
    else put(entry.key.span, { kind: "key", field, value: entry.value }, at);
    value(entry.value, field, at, put);
  }
}

function value(expr: Expr, field: FieldSpec | undefined, owner: Owner | undefined, put: Put): void {
  const types = field === undefined ? [] : alternatives(field.type);
  const withField = field === undefined ? {} : { field };
  switch (expr.kind) {
    case "number": {
      const word =
        field === undefined || expr.suffix === undefined ? undefined : wordOf(types, expr.text + expr.suffix.text);
      if (word !== undefined && field !== undefined) {
        put(expr.span, { kind: "word", value: word, field }, owner);
        return;
      }
      const { unit } = expr;
      const end = unit === undefined ? expr.span.end : (expr.suffix?.span.end ?? expr.span.start + expr.text.length);
      put({ start: expr.span.start, end }, { kind: "number", expr, ...withField }, owner);
      if (unit !== undefined) put(unit.span, { kind: "unit", expr, ...withField }, owner);
      return;
    }
    case "string":
      put(expr.span, { kind: "string" }, owner);
      return;
    case "bool":
      put(expr.span, { kind: "bool" }, owner);
      return;
    case "name":
      name(expr.parts, expr.text, expr.span, field, types, owner, put);
      return;
    case "list": {
      const of = types.find((t) => t.kind === "list");
      const inner = of?.kind === "list" && field !== undefined ? { ...field, type: of.of } : undefined;
      for (const one of expr.items) value(one, inner, owner, put);
      return;
    }
    case "record": {
      const record = types.find((t) => t.kind === "record");
      body(expr.body.entries, record?.kind === "record" ? record.fields : [], owner, put);
      return;
    }
    case "variant": {
      const variant = variantOf(types, expr.name.text);
      if (variant !== undefined && field !== undefined) put(expr.name.span, { kind: "variant", variant, field }, owner);
      body(expr.body.entries, variant?.fields ?? [], owner, put);
      return;
    }
    case "choice":
      for (const one of expr.options) value(one, field, owner, put);
      return;
    case "range":
      value(expr.min, field, owner, put);
      value(expr.max, field, owner, put);
      return;
    case "every":
      put({ start: expr.span.start, end: expr.span.start + 5 }, { kind: "bool" }, owner);
      value(expr.interval, field, owner, put);
      return;
    case "binary":
      value(expr.left, field, owner, put);
      value(expr.right, field, owner, put);
      return;
    case "unary":
      value(expr.operand, field, owner, put);
      return;
    case "paren":
      value(expr.inner, field, owner, put);
      return;
    case "missing":
      return;
  }
}

const wordOf = (types: readonly FieldType[], text: string): EnumValue | undefined =>
  types.flatMap((t) => (t.kind === "enum" ? t.values : [])).find((v) => v.name === text);
const variantOf = (types: readonly FieldType[], text: string): VariantSpec | undefined =>
  types.flatMap((t) => (t.kind === "variant" ? t.variants : [])).find((v) => v.name === text);

function name(
  parts: readonly Ident[],
  text: string,
  span: { readonly start: number; readonly end: number },
  field: FieldSpec | undefined,
  types: readonly FieldType[],
  owner: Owner | undefined,
  put: Put,
): void {
  const [first, second] = parts;
  const refs = types.flatMap((t) => (t.kind === "ref" ? t.block : []));
  const special = field === undefined ? undefined : specialMeaning(text, field, types);
  // `ml.p5.48xlarge` is one name; `student.layers` is a property.
  const dotted = refs.includes("instance") || refs.includes("accelerator");
  if (special !== undefined) put(span, special, owner);
  else if (first !== undefined && second !== undefined && !dotted) {
    put(first.span, { kind: "name", of: blockKinds }, owner);
    for (const part of parts.slice(1)) put(part.span, { kind: "property", of: first.text, key: part.text }, owner);
  } else put(span, { kind: "name", of: refs, ...(field === undefined ? {} : { field }) }, owner);
}

function specialMeaning(text: string, field: FieldSpec, types: readonly FieldType[]): Meaning | undefined {
  const value = wordOf(types, text);
  if (value !== undefined) return { kind: "word", value, field };
  const variant = variantOf(types, text);
  if (variant !== undefined) return { kind: "variant", variant, field };
  return text === "auto" && field.decidable === true ? { kind: "auto", field } : undefined;
}

/** Kinds whose properties an expression may read. */
const blockKinds: readonly string[] = [
  "model",
  "cluster",
  "dataset",
  "adapter",
  "precision",
  "train",
  "instance",
  "accelerator",
];
