/** Text → Ast, and back. Never throws on any text; all mistakes in one pass. */
import { type CstNode, type IToken, Lexer } from "chevrotain";
import { type Diagnostic, type Outcome, parseCodes } from "../diagnostics/index.js";
import type { SourceFile } from "../text/index.js";
import type { Ast, Comment, Item } from "./ast.js";
import { balance } from "./balance.js";
import { format } from "./format.js";
import { LlmpParser } from "./grammar.js";
import { Messages } from "./messages.js";
import { Builder } from "./to-ast.js";
import { allTokens, Unknown } from "./tokens.js";

export type * from "./ast.js";
export { keywords, mistakes } from "./tokens.js";
export { format };

/** Characters; a file of 10 MB is read, more is not a configuration. */
const maxLength = 16 * 1024 * 1024;
const maxErrors = 200;

let lexer: Lexer | undefined;
let parser: LlmpParser | undefined;

/** Built on first use: a command that parses nothing pays nothing. */
export const theLexer = (): Lexer => {
  lexer ??= new Lexer(allTokens, { positionTracking: "onlyOffset", skipValidations: true });
  return lexer;
};
export const theParser = (): LlmpParser => {
  parser ??= new LlmpParser();
  return parser;
};

export function parse(source: SourceFile): Outcome<Ast> & { readonly value: Ast } {
  const { path: file, text } = source;
  const diagnostics: Diagnostic[] = [];
  let dropped = 0;
  const add = (diagnostic: Diagnostic): void => {
    if (diagnostics.length < maxErrors) diagnostics.push(diagnostic);
    else dropped++;
  };
  const whole = { file, start: 0, end: text.length };
  const empty: Ast = { file, items: [], comments: [], span: whole };
  const start = { file, start: 0, end: Math.min(1, text.length) };
  if (text.length > maxLength) {
    const size = `${Math.round(text.length / 2 ** 20)} MiB`;
    add(
      parseCodes.report(
        "LLMP0001",
        start,
        { size, limit: "16 MiB" },
        { hints: ["data belongs in a `dataset`, not in the file"] },
      ),
    );
    return { value: empty, diagnostics };
  }
  if (isBinary(text)) {
    add(parseCodes.report("LLMP0002", start, {}, { hints: ["a `.llmp` file is text in UTF-8"] }));
    return { value: empty, diagnostics };
  }
  const lexed = theLexer().tokenize(text);
  const messages = new Messages(file, add);
  for (const e of lexed.errors) {
    const span = { file, start: e.offset, end: e.offset + e.length };
    add(parseCodes.report("LLMP0101", span, { text: text.slice(e.offset, e.offset + Math.min(e.length, 20)) }));
  }
  for (const token of lexed.groups.slashes ?? []) messages.slashComment(token);
  for (const token of lexed.groups.conflicts ?? []) messages.conflict(token);
  const comments = (lexed.groups.comments ?? []).map((token) => comment(token, file, text));

  const known = lexed.tokens.filter((token, i, all) => {
    if (token.tokenType !== Unknown) return true;
    // One message for a run of them.
    const before = all[i - 1];
    const runs = before?.tokenType === Unknown && before.startOffset + before.image.length === token.startOffset;
    if (!runs) messages.unknown(token);
    return false;
  });
  const tokens = balance(known, file, text, add);
  const grammar = theParser();
  grammar.input = tokens;
  const tree: CstNode | undefined = grammar.file();
  const builder = new Builder(file, add);
  const items: readonly Item[] = tree === undefined ? [] : builder.items(tree);
  for (const error of grammar.errors) {
    const { previousToken } = error as { previousToken?: IToken };
    const at = error.token.image === "" && previousToken !== undefined ? previousToken : error.token;
    const offset = Number.isNaN(at.startOffset) ? text.length : at.startOffset;
    const end = Number.isNaN(at.startOffset) ? text.length : offset + at.image.length;
    add(
      parseCodes.report(
        "LLMP0205",
        { file, start: offset, end },
        { found: messages.found(at) },
        { hints: ["an entry is written `key = value`"] },
      ),
    );
  }
  grammar.input = [];
  const shown = onePerCause(diagnostics, text);
  if (dropped > 0)
    shown.push(parseCodes.report("LLMP0003", start, { count: dropped }, { hints: ["mend the first ones first"] }));
  return { value: { file, items, comments, span: whole }, diagnostics: shown };
}

/** What follows from an earlier mistake on the same line is not worth a message of its own. */
const follows = new Set([
  "LLMP0101",
  "LLMP0205",
  "LLMP0301",
  "LLMP0302",
  "LLMP0305",
  "LLMP0306",
  "LLMP0313",
  "LLMP0314",
]);

function onePerCause(diagnostics: readonly Diagnostic[], text: string): Diagnostic[] {
  const at = (d: Diagnostic): number => d.primary?.span.start ?? 0;
  const sorted = [...diagnostics].sort((a, b) => at(a) - at(b));
  const kept: Diagnostic[] = [];
  let lineEnd = -1;
  for (const d of sorted) {
    const stray = kept.at(-1)?.code === "LLMP0205" && d.code === "LLMP0303";
    if (at(d) < lineEnd && (follows.has(d.code) || stray)) continue;
    kept.push(d);
    const next = text.indexOf("\n", at(d));
    lineEnd = next < 0 ? text.length + 1 : next;
  }
  return kept;
}

function comment(token: IToken, file: string, text: string): Comment {
  let i = token.startOffset - 1;
  while (i >= 0 && (text[i] === " " || text[i] === "\t")) i--;
  const ownLine = i < 0 || text[i] === "\n" || text[i] === "\r" || (i === 0 && text[i] === "\ufeff");
  const written = token.image.trimEnd();
  return { text: written, span: { file, start: token.startOffset, end: token.startOffset + written.length }, ownLine };
}

function isBinary(text: string): boolean {
  const sample = text.slice(0, 4096);
  let odd = 0;
  for (let i = 0; i < sample.length; i++) {
    const c = sample.charCodeAt(i);
    if (c === 0) return true;
    if ((c < 32 && c !== 9 && c !== 10 && c !== 13 && c !== 12) || c === 0xfffd) odd++;
  }
  return odd > 8 && odd > sample.length / 20;
}
