/** Completion by context: keys, values, units and names, all from the schema table and what the file can see. */
import {
  type CompletionItem,
  InsertTextFormat,
  CompletionItemKind as Kind,
  type TextEdit,
} from "vscode-languageserver";
import { families, predefinedNames, type UnitDimension, unitsOf } from "../../checker/index.js";
import { bundledHardware } from "../../hardware/index.js";
import { type BlockSpec, blocks, paramTypes, statements, typeText } from "../../schema/index.js";
import type { FieldSpec, FieldType } from "../../units/index.js";
import type { Document } from "../document.js";
import type { Project, Scope } from "../project.js";
import { type Cursor, cursorAt } from "./cursor.js";
import { acceleratorLine, instances } from "./instances.js";
import { fieldMarkdown } from "./words.js";

export interface CompletionOptions {
  /** The client knows `$1` and `$0`. */
  readonly snippets: boolean;
}

interface Draft {
  readonly label: string;
  readonly kind: Kind;
  readonly detail?: string;
  readonly doc?: string;
  readonly insert?: string;
  readonly snippet?: string;
  readonly edits?: TextEdit[];
  /** Ask for the value at once. */
  readonly again?: boolean;
  readonly filter?: string;
}

export function completion(
  document: Document,
  offset: number,
  project: Project,
  options: CompletionOptions,
): readonly CompletionItem[] {
  const cursor = cursorAt(document, offset);
  const range = document.range(cursor.from, offset);
  const drafts = draftsFor(cursor, document, project);
  return drafts.map((d, i) => {
    const snippet = options.snippets ? d.snippet : undefined;
    const newText = snippet ?? d.insert ?? d.label;
    return {
      label: d.label,
      kind: d.kind,
      // The order of the schema table: what is required and common stands first.
      sortText: String(i).padStart(4, "0"),
      textEdit: { range, newText },
      ...(d.filter === undefined ? {} : { filterText: d.filter }),
      ...(snippet === undefined ? {} : { insertTextFormat: InsertTextFormat.Snippet }),
      ...(d.detail === undefined || d.detail === "" ? {} : { detail: d.detail }),
      ...(d.doc === undefined ? {} : { documentation: { kind: "markdown" as const, value: d.doc } }),
      ...(d.edits === undefined ? {} : { additionalTextEdits: d.edits }),
      ...(d.again === true ? { command: { title: "Suggest", command: "editor.action.triggerSuggest" } } : {}),
    };
  });
}

function draftsFor(cursor: Cursor, document: Document, project: Project): readonly Draft[] {
  switch (cursor.kind) {
    case "nothing":
      return [];
    case "item":
      return topLevel(document);
    case "import":
      return imports(cursor.written, document, project);
    case "type":
      return Object.entries(paramTypes).map(([label, doc]) => ({ label, kind: Kind.TypeParameter, detail: doc }));
    case "head":
      return cursor.block.startsFrom === true
        ? [
            {
              label: "from",
              kind: Kind.Keyword,
              insert: "from ",
              detail: "start with another stage's weights",
              again: true,
            },
          ]
        : [];
    case "parent":
    case "stage":
      return names([cursor.of], document, project);
    case "key":
      return keys(cursor, document, project);
    case "value":
      return values(cursor, document, project);
    case "unit":
      return units(cursor);
  }
}

function topLevel(document: Document): readonly Draft[] {
  const has = (keyword: string): boolean =>
    [...document.items()].some(({ item }) => item.kind === "block" && item.keyword.text === keyword);
  return [
    ...blocks
      .filter((b) => b.single !== true || !has(b.keyword))
      .map((b) => ({
        label: b.keyword,
        kind: Kind.Class,
        detail: b.doc,
        doc: `\`\`\`llmp\n${b.example}\n\`\`\``,
        insert: `${b.keyword} `,
        snippet: blockSnippet(b),
      })),
    ...statements.map((s) => ({
      label: s.keyword,
      kind: Kind.Keyword,
      detail: s.doc,
      doc: `\`\`\`llmp\n${s.example}\n\`\`\``,
      insert: `${s.keyword} `,
      snippet:
        s.keyword === "import"
          ? 'import "$1"'
          : s.keyword === "param"
            ? `param \${1:name}: \${2:int} = \${3:1}`
            : `let \${1:name} = $0`,
    })),
  ];
}

/** The block with its required keys. */
function blockSnippet(block: BlockSpec): string {
  const required = block.fields.filter((f) => f.required === true && block.inherits !== true);
  const width = Math.max(0, ...required.map((f) => f.name.length));
  const lines = required.map((f, i) => `\t${f.name.padEnd(width)} = \${${i + 2}:${escaped(f.example)}}`);
  return `${block.keyword}${block.named ? ` \${1:name}` : ""} {\n${lines.map((l) => `${l}\n`).join("")}\t$0\n}`;
}

const escaped = (text: string): string => text.replace(/[\\$}]/g, (c) => `\\${c}`);

function imports(written: string, document: Document, project: Project): readonly Draft[] {
  const std = families.map((f) => ({ label: `std/${f}`, kind: Kind.Module, detail: "bundled model family" }));
  const folder = document.path.replace(/[\\/][^\\/]*$/, "");
  const own = project
    .list(project.rootOf(document.path))
    .filter((f) => f !== document.path)
    .map((f) => relative(folder, f))
    .map((label) => ({ label, kind: Kind.File }));
  return [...std, ...own].filter((d) => written === "" || d.label.startsWith(written[0] ?? ""));
}

function relative(folder: string, file: string): string {
  const from = folder.split(/[\\/]/);
  const to = file.split(/[\\/]/);
  let same = 0;
  while (same < from.length && same < to.length - 1 && from[same] === to[same]) same++;
  return [...from.slice(same).map(() => ".."), ...to.slice(same)].join("/");
}

function keys(cursor: Extract<Cursor, { kind: "key" }>, document: Document, project: Project): readonly Draft[] {
  const { block, fields, taken } = cursor;
  const ordered = [...fields].sort((a, b) => Number(b.required === true) - Number(a.required === true));
  const drafts: Draft[] = ordered
    .filter((f) => !taken.has(f.name))
    .map((f) => ({
      label: f.name,
      kind: Kind.Property,
      detail: `${f.required === true ? "required · " : ""}${typeText(f.type).replaceAll("`", "")}`,
      doc: fieldMarkdown(f),
      insert: `${f.name} ${block?.limits?.includes(f.name) === true ? "<" : "="} `,
      again: true,
    }));
  if (block?.open === undefined) return drafts;
  const open = names(block.open.keys, document, project)
    .filter((d) => !taken.has(d.label))
    .map((d) => ({ ...d, insert: `${d.label} = `, again: true }));
  const phase: Draft = {
    label: "from",
    kind: Kind.Keyword,
    detail: "other weights for the rest of the training",
    insert: "from ",
    snippet: `from \${1:90%} { $0 }`,
  };
  return block.phases === true ? [...open, ...drafts, phase] : [...open, ...drafts];
}

function values(cursor: Extract<Cursor, { kind: "value" }>, document: Document, project: Project): readonly Draft[] {
  const { field, types, first } = cursor;
  const drafts: Draft[] = [];
  if (field?.decidable === true && first)
    drafts.push({ label: "auto", kind: Kind.Keyword, detail: "the planner decides" });
  for (const type of types) drafts.push(...valuesOf(type, field, document, project));
  const scope = project.scope(document);
  for (const [label, d] of scope.values)
    drafts.push({ label, kind: Kind.Variable, detail: d.kind, doc: `\`\`\`llmp\n${source(d)}\n\`\`\`` });
  if (field === undefined && types.length === 0)
    for (const [label] of scope.blocks.get("model") ?? []) drafts.push({ label, kind: Kind.Class, detail: "model" });
  const seen = new Set<string>();
  return drafts.filter((d) => !seen.has(d.label) && seen.add(d.label) !== undefined);
}

function valuesOf(
  type: FieldType,
  field: FieldSpec | undefined,
  document: Document,
  project: Project,
): readonly Draft[] {
  const mark = (name: string, doc: string): string => (field?.default === name ? `${doc} (default)` : doc);
  switch (type.kind) {
    case "enum":
      return type.values.map((v) => ({ label: v.name, kind: Kind.EnumMember, detail: mark(v.name, v.doc) }));
    case "bool":
      return ["true", "false"].map((label) => ({ label, kind: Kind.Value, detail: mark(label, "") }));
    case "variant":
      return type.variants.map((v) => ({
        label: v.name,
        kind: Kind.EnumMember,
        detail: mark(v.name, v.doc),
        doc: v.fields
          .map((f) => `- \`${f.name}\`: ${f.doc}${f.default === undefined ? "" : ` (\`${f.default}\`)`}`)
          .join("\n"),
        ...(v.fields.some((f) => f.required === true)
          ? {
              snippet: `${v.name} { ${v.fields
                .filter((f) => f.required === true)
                .map((f, i) => `${f.name} = \${${i + 1}:${escaped(f.example)}}`)
                .join(", ")} }`,
            }
          : {}),
      }));
    case "ref":
      return names(type.block, document, project);
    case "record":
      return [
        {
          label: "{ … }",
          kind: Kind.Struct,
          detail: "each key for itself",
          insert: "{ }",
          snippet: "{ $0 }",
          filter: "{",
        },
      ];
    case "list":
      return [
        {
          label: "[ … ]",
          kind: Kind.Struct,
          insert: field?.example.startsWith("[") === true ? field.example : "[]",
          snippet: "[$0]",
          filter: "[",
        },
      ];
    case "every":
      return [
        { label: "every …", kind: Kind.Keyword, detail: type.of.join(" or "), insert: "every ", filter: "every" },
      ];
    case "quantity":
    case "string":
      return field === undefined
        ? []
        : [
            {
              label: field.example,
              kind: Kind.Value,
              detail: "for example",
              ...(type.kind === "string" ? { snippet: `"\${1:${escaped(field.example.replace(/^"|"$/g, ""))}}"` } : {}),
            },
          ];
    case "oneOf":
      return type.types.flatMap((t) => valuesOf(t, field, document, project));
  }
}

function source(d: {
  readonly document: Document;
  readonly base: number;
  readonly item: { readonly span: { readonly start: number; readonly end: number } };
}): string {
  const text = d.document.text.slice(d.base + d.item.span.start, d.base + d.item.span.end);
  const lines = text.split("\n");
  return lines.length > 24 ? [...lines.slice(0, 24), "…"].join("\n") : text;
}

/** Names of blocks that the file sees, predefined ones, machines, and models of `std/` that an import would bring. */
function names(kinds: readonly string[], document: Document, project: Project): readonly Draft[] {
  const scope: Scope = project.scope(document);
  const drafts: Draft[] = [];
  for (const kind of kinds) {
    const own = [...(scope.blocks.get(kind)?.values() ?? [])];
    const local = own.filter((d) => d.document === document);
    const imported = own.filter((d) => d.document !== document);
    for (const d of [...local, ...imported])
      drafts.push({
        label: d.name,
        kind: Kind.Reference,
        detail:
          d.document === document
            ? kind
            : `${kind} of ${project.isBundled(d.document) ? "std/" : ""}${d.document.path.replace(/^.*[\\/]/, "").replace(/\.llmp$/, "")}`,
        doc: `\`\`\`llmp\n${source(d)}\n\`\`\``,
      });
    for (const name of predefinedNames(kind))
      drafts.push({ label: name, kind: Kind.Constant, detail: `predefined ${kind}` });
    if (kind === "instance")
      for (const i of instances().values())
        drafts.push({ label: i.name, kind: Kind.Constant, detail: i.line, doc: i.text });
    if (kind === "accelerator")
      for (const name of Object.keys(bundledHardware().accelerators))
        drafts.push({ label: name, kind: Kind.Constant, detail: acceleratorLine(name) ?? "" });
    if (kind === "model") drafts.push(...bundledModels(scope, document, project));
  }
  return drafts;
}

/** Models of families that are not imported yet: chosen, they bring their import. */
function bundledModels(scope: Scope, document: Document, project: Project): readonly Draft[] {
  const known = new Set(scope.files.map((f) => f.path));
  const lastImport = [...document.items()].filter(({ item }) => item.kind === "import").at(-1);
  const at =
    lastImport === undefined
      ? firstCode(document)
      : document.text.indexOf("\n", lastImport.base + lastImport.item.span.end) + 1;
  const place = Math.max(0, at);
  return families.flatMap((family) => {
    const file = project.document(project.resolve(document, `std/${family}`));
    if (file === undefined || known.has(file.path) || file === document) return [];
    const line = `import "std/${family}"\n${lastImport === undefined ? "\n" : ""}`;
    return project.declarations(file).flatMap((d) =>
      d.kind === "model"
        ? [
            {
              label: d.name,
              kind: Kind.Reference,
              detail: `adds import "std/${family}"`,
              doc: `\`\`\`llmp\n${source(d)}\n\`\`\``,
              edits: [{ range: document.range(place, place), newText: line }],
            },
          ]
        : [],
    );
  });
}

/** Behind the comment at the top of a file. */
function firstCode(document: Document): number {
  const head = /^(?:[ \t]*#[^\n]*\n|[ \t]*\n)*/.exec(document.text)?.[0] ?? "";
  return head.length;
}

function units(cursor: Extract<Cursor, { kind: "unit" }>): readonly Draft[] {
  const dimensions = cursor.types.flatMap((t): readonly UnitDimension[] =>
    t.kind === "quantity" || t.kind === "every" ? dimensionsOf(t) : [],
  );
  const all = dimensions.length === 0 ? (["count", "tokens", "bytes", "seconds"] as const) : dimensions;
  const attachable = /^(?:%|[A-Za-z]{1,3}|min)$/;
  const out: Draft[] = [];
  for (const d of new Set(all))
    for (const unit of unitsOf(d)) {
      const short = d === "count" || d === "bytes" || attachable.test(unit);
      if (cursor.attached && !short)
        out.push({ label: `${cursor.digits} ${unit}`, kind: Kind.Unit, detail: d, insert: ` ${unit}`, filter: unit });
      else if (cursor.attached || !(d === "count" || unit === "%"))
        out.push({ label: unit, kind: Kind.Unit, detail: d === "count" ? scaleText(unit) : d });
    }
  if (dimensions.includes("tokens") && cursor.attached && !dimensions.includes("count"))
    for (const unit of unitsOf("count")) out.push({ label: unit, kind: Kind.Unit, detail: scaleText(unit) });
  return out;
}

const dimensionsOf = (t: Extract<FieldType, { kind: "quantity" | "every" }>): readonly UnitDimension[] =>
  t.kind === "quantity" ? t.dimensions : t.of;

const scaleText = (unit: string): string =>
  unit.endsWith("i")
    ? `× 1024${{ K: "", M: "²", G: "³", T: "⁴" }[unit[0] ?? ""] ?? ""}`
    : `× ${{ k: "1,000", K: "1,000", M: "a million", G: "a billion", B: "a billion", T: "a trillion" }[unit] ?? ""}`;
