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

/** A chunk's tokens as the protocol wants them: each against the one before, the first against the chunk's first line. */
interface Encoded {
  /** Names that were params or lets when it was encoded. */
  readonly values: string;
  readonly data: readonly number[];
  readonly lastLine: number;
  readonly lastColumn: number;
}

const cache = new WeakMap<Chunk, Encoded>();

function encode(chunk: Chunk, scope: Scope, values: string): Encoded {
  const known = cache.get(chunk);
  if (known?.values === values) return known;
  const data: number[] = [];
  let line = 0;
  let lineStart = 0;
  let at = 0;
  let lastLine = 0;
  let lastColumn = 0;
  for (const t of tokensOf(chunk)) {
    for (; at < t.start; at++)
      if (chunk.text.charCodeAt(at) === 10) {
        line++;
        lineStart = at + 1;
      }
    const column = t.start - lineStart;
    const type = t.name !== undefined && scope.values.has(t.name) ? "variable" : t.type;
    data.push(
      line - lastLine,
      line === lastLine ? column - lastColumn : column,
      t.length,
      tokenTypes.indexOf(type),
      t.modifiers,
    );
    lastLine = line;
    lastColumn = column;
  }
  const encoded = { values, data, lastLine, lastColumn };
  cache.set(chunk, encoded);
  return encoded;
}

function tokensOf(chunk: Chunk): readonly Token[] {
  const tokens: Token[] = [];
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
  return tokens.sort((a, b) => a.start - b.start);
}

export function semanticTokens(
  document: Document,
  scope: Scope,
  from = 0,
  to: number = document.text.length,
): number[] {
  const values = [...scope.values.keys()].join(" ");
  const out: number[] = [];
  let lastLine = 0;
  let lastColumn = 0;
  for (const { chunk, start } of document.placed) {
    if (start >= to) break;
    if (start + chunk.text.length <= from) continue;
    const { data, ...last } = encode(chunk, scope, values);
    if (data.length === 0) continue;
    const first = document.position(start).line;
    const at = out.length;
    for (const n of data) out.push(n);
    // The first token stands against the last one of what came before.
    const [down = 0, column = 0] = data;
    out[at] = first + down - lastLine;
    out[at + 1] = first + down === lastLine ? column - lastColumn : column;
    lastLine = first + last.lastLine;
    lastColumn = last.lastColumn;
  }
  return out;
}
