/** Colours by meaning. Each chunk's tokens are computed once; an edit elsewhere only moves them. */
import type { Chunk, Document } from "../document.js";
import type { Scope } from "../project.js";
import type { Site } from "../sites.js";

export const tokenTypes = [
  "keyword",
  "class",
  "type",
  "variable",
  "property",
  "enumMember",
  "number",
  "string",
  "comment",
  "namespace",
] as const;
export const tokenModifiers = ["declaration", "defaultLibrary", "readonly"] as const;

type TokenType = (typeof tokenTypes)[number];

interface Token {
  /** In the chunk. */
  readonly start: number;
  readonly length: number;
  readonly line: number;
  readonly column: number;
  readonly type: TokenType;
  readonly modifiers: number;
  /** A name that colours as a variable where a param or let of that name exists. */
  readonly name?: string;
}

const declared = 1;
const library = 2;

function classify({ meaning }: Site): readonly [TokenType, number] | undefined {
  switch (meaning.kind) {
    case "keyword":
    case "auto":
    case "bool":
      return ["keyword", 0];
    case "declaration":
      return meaning.of === "param" || meaning.of === "let" ? ["variable", declared] : ["class", declared];
    case "key":
    case "property":
      return ["property", 0];
    case "name":
      return ["class", 0];
    case "word":
      return ["enumMember", library];
    case "variant":
      return ["type", library];
    case "type":
      return ["type", library];
    case "number":
    case "unit":
      return ["number", 0];
    case "string":
      return meaning.import === true ? ["namespace", 0] : ["string", 0];
    case "unknown-key":
      return undefined;
  }
}

const cache = new WeakMap<Chunk, readonly Token[]>();

function tokensOf(chunk: Chunk): readonly Token[] {
  const known = cache.get(chunk);
  if (known !== undefined) return known;
  const tokens: Omit<Token, "line" | "column">[] = [];
  for (const site of chunk.sites) {
    const found = classify(site);
    if (found === undefined) continue;
    tokens.push({
      start: site.start,
      length: site.end - site.start,
      type: found[0],
      modifiers: found[1],
      ...(site.meaning.kind === "name" ? { name: site.text } : {}),
    });
  }
  for (const c of chunk.comments)
    tokens.push({ start: c.span.start, length: c.span.end - c.span.start, type: "comment", modifiers: 0 });
  tokens.sort((a, b) => a.start - b.start);
  let line = 0;
  let lineStart = 0;
  let at = 0;
  const placed = tokens.map((t) => {
    for (; at < t.start; at++)
      if (chunk.text.charCodeAt(at) === 10) {
        line++;
        lineStart = at + 1;
      }
    return { ...t, line, column: t.start - lineStart };
  });
  cache.set(chunk, placed);
  return placed;
}

export function semanticTokens(
  document: Document,
  scope: Scope,
  from = 0,
  to: number = document.text.length,
): number[] {
  const data: number[] = [];
  let lastLine = 0;
  let lastColumn = 0;
  for (const { chunk, start } of document.placed) {
    if (start >= to) break;
    if (start + chunk.text.length <= from) continue;
    const first = document.position(start).line;
    for (const t of tokensOf(chunk)) {
      const line = first + t.line;
      const type = t.name !== undefined && scope.values.has(t.name) ? "variable" : t.type;
      data.push(
        line - lastLine,
        line === lastLine ? t.column - lastColumn : t.column,
        t.length,
        tokenTypes.indexOf(type),
        t.modifiers,
      );
      lastLine = line;
      lastColumn = t.column;
    }
  }
  return data;
}
