/** Document and workspace symbols, folding. */
import {
  type DocumentSymbol,
  type FoldingRange,
  FoldingRangeKind,
  SymbolKind,
  type WorkspaceSymbol,
} from "vscode-languageserver";
import type { Body, Entry, Expr, Item } from "../../parser/ast.js";
import type { Document } from "../document.js";
import type { Project } from "../project.js";

const kinds: Readonly<Record<string, SymbolKind>> = {
  model: SymbolKind.Class,
  train: SymbolKind.Function,
  dataset: SymbolKind.Array,
  mix: SymbolKind.Array,
  cluster: SymbolKind.Module,
  param: SymbolKind.Variable,
  let: SymbolKind.Constant,
  import: SymbolKind.Package,
};

export function documentSymbols(document: Document): readonly DocumentSymbol[] {
  return [...document.items()].map(({ item, base }) => {
    const span =
      item.kind === "import"
        ? item.path.span
        : (item.name?.span ?? (item.kind === "block" ? item.keyword.span : item.span));
    const detail = item.kind === "block" ? item.keyword.text : item.kind;
    return {
      name: nameOf(item),
      detail: item.kind === "block" && item.parent !== undefined ? `${detail}: ${item.parent.text}` : detail,
      kind: kinds[detail] ?? SymbolKind.Object,
      range: document.range(base + item.span.start, base + item.span.end),
      selectionRange: document.range(base + span.start, base + span.end),
      children: item.kind === "block" ? entries(item.body.entries, document, base) : [],
    };
  });
}

/** Editors refuse a symbol without a name; half-written ones have none. */
function nameOf(item: Item): string {
  const names =
    item.kind === "import"
      ? [item.path.value]
      : item.kind === "block"
        ? [item.name?.text, item.keyword.text]
        : [item.name.text];
  return names.find((name) => name !== undefined && name.trim() !== "") ?? item.kind;
}

function entries(list: readonly Entry[], document: Document, base: number): DocumentSymbol[] {
  return list.flatMap((entry) => {
    const head = entry.kind === "pair" ? entry.key.span : entry.at.span;
    const name =
      entry.kind === "pair"
        ? entry.key.text
        : `from ${document.text.slice(base + entry.at.span.start, base + entry.at.span.end)}`;
    if (name.trim() === "") return [];
    const body = entry.kind === "phase" ? entry.body : bodyOf(entry.value);
    return [
      {
        name,
        kind: SymbolKind.Property,
        range: document.range(base + entry.span.start, base + Math.max(entry.span.end, head.end)),
        selectionRange: document.range(base + head.start, base + head.end),
        ...(body === undefined ? {} : { children: entries(body.entries, document, base) }),
      },
    ];
  });
}

const bodyOf = (expr: Expr): Body | undefined =>
  expr.kind === "record" || expr.kind === "variant" ? expr.body : undefined;

export function workspaceSymbols(query: string, project: Project): readonly WorkspaceSymbol[] {
  const wanted = query.toLowerCase();
  const files = new Map<string, Document>([...project.open.values()].map((d) => [d.path, d]));
  for (const root of project.roots)
    for (const file of project.list(root)) {
      const document = project.document(file);
      if (document !== undefined) files.set(file, document);
    }
  return [...files.values()]
    .flatMap((document) =>
      project
        .declarations(document)
        .filter((d) => d.name.toLowerCase().includes(wanted))
        .map((d) => ({
          name: d.name,
          kind: kinds[d.kind] ?? SymbolKind.Object,
          containerName: d.kind,
          location: { uri: document.uri, range: document.range(d.start, d.end) },
        })),
    )
    .slice(0, 500);
}

export function folding(document: Document): readonly FoldingRange[] {
  const out: FoldingRange[] = [];
  const fold = (start: number, end: number, kind?: FoldingRangeKind): void => {
    const [first, last] = [document.position(start).line, document.position(end).line];
    if (last > first) out.push({ startLine: first, endLine: last, ...(kind === undefined ? {} : { kind }) });
  };
  let importsFrom: number | undefined;
  let importsTo = 0;
  const endImports = (): void => {
    if (importsFrom !== undefined) fold(importsFrom, importsTo, FoldingRangeKind.Imports);
    importsFrom = undefined;
  };
  for (const { item, base } of document.items()) {
    if (item.kind === "import") {
      importsFrom ??= base + item.span.start;
      importsTo = base + item.span.end;
      continue;
    }
    endImports();
    if (item.kind === "block") inner(item.body, base, fold);
  }
  endImports();
  comments(document, fold);
  return out;
}

type Fold = (start: number, end: number, kind?: FoldingRangeKind) => void;

function inner(body: Body, base: number, fold: Fold): void {
  fold(base + body.span.start, base + body.span.end - 1);
  for (const entry of body.entries) {
    if (entry.kind === "phase") inner(entry.body, base, fold);
    else {
      const nested = bodyOf(entry.value);
      if (nested !== undefined) inner(nested, base, fold);
      else if (entry.value.kind === "list") fold(base + entry.value.span.start, base + entry.value.span.end - 1);
    }
  }
}

/** Runs of comment lines. */
function comments(document: Document, fold: Fold): void {
  let first: number | undefined;
  let last = 0;
  let lastLine = -2;
  const end = (): void => {
    if (first !== undefined) fold(first, last, FoldingRangeKind.Comment);
    first = undefined;
  };
  for (const { chunk, start } of document.placed)
    for (const c of chunk.comments) {
      if (!c.ownLine) continue;
      const { line } = document.position(start + c.span.start);
      if (line !== lastLine + 1) end();
      first ??= start + c.span.start;
      last = start + c.span.start;
      lastLine = line;
    }
  end();
}
