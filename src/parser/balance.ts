/**
 * Between lexer and parser: makes brackets match, so that a forgotten one costs one message and not the rest of the
 * file, drops line ends where they are free (inside `( )` and `[ ]`), and bounds the depth.
 */
import type { IToken, TokenType } from "chevrotain";
import { type Diagnostic, parseCodes } from "../diagnostics/index.js";
import type { Span } from "../text/index.js";
import * as t from "./tokens.js";

export const maxDepth = 64;
const { report } = parseCodes;

const closerOf = new Map<TokenType, TokenType>([
  [t.LCurly, t.RCurly],
  [t.LSquare, t.RSquare],
  [t.LRound, t.RRound],
]);
const closers = new Set(closerOf.values());
const images = new Map<TokenType, string>([
  [t.RCurly, "}"],
  [t.RSquare, "]"],
  [t.RRound, ")"],
]);

export function balance(
  tokens: readonly IToken[],
  file: string,
  text: string,
  add: (diagnostic: Diagnostic) => void,
): IToken[] {
  const out: IToken[] = [];
  const stack: IToken[] = [];
  let skipping = 0;
  let lastEnd = 0;

  const spanOf = (token: IToken): Span => ({
    file,
    start: token.startOffset,
    end: token.startOffset + token.image.length,
  });
  const close = (opener: IToken): void => {
    const type = closerOf.get(opener.tokenType) as TokenType;
    const { tokenTypeIdx } = type;
    out.push({ image: "", startOffset: lastEnd, tokenType: type, ...({ tokenTypeIdx } as object) } as IToken);
  };
  const unclosed = (opener: IToken, before?: IToken): void => {
    const want = images.get(closerOf.get(opener.tokenType) as TokenType) ?? "";
    const at: Span = { file, start: lastEnd, end: lastEnd };
    add(
      report(
        "LLMP0201",
        spanOf(opener),
        { open: opener.image },
        {
          text: "opened here",
          labels: before === undefined ? [] : [{ span: spanOf(before), text: `\`${want}\` was expected before this` }],
          hints: [`add \`${want}\` where it ends`],
          fixes: [
            {
              title: `Add \`${want}\``,
              safe: false,
              edits: [{ span: at, text: opener.tokenType === t.LCurly && before !== undefined ? `\n${want}` : want }],
            },
          ],
        },
      ),
    );
    close(opener);
  };
  const top = (): IToken | undefined => stack[stack.length - 1];

  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i] as IToken;
    const type = token.tokenType;

    if (skipping > 0) {
      if (closerOf.has(type)) skipping++;
      else if (closers.has(type)) skipping--;
      continue;
    }
    if (type === t.Newline) {
      const opener = top();
      if (opener !== undefined && opener.tokenType !== t.LCurly) {
        // `key = …` at the start of a line cannot be inside a list: the list was not closed.
        if (isKey(tokens[i + 1]) && isAssign(tokens[i + 2])) {
          while (stack.length > 0 && top()?.tokenType !== t.LCurly) unclosed(stack.pop() as IToken, tokens[i + 1]);
          out.push(token);
        }
        continue;
      }
      if (opener !== undefined && startsBlock(tokens, i + 1, text)) {
        while (stack.length > 0) unclosed(stack.pop() as IToken, tokens[i + 1]);
      }
      out.push(token);
      continue;
    }
    if (closerOf.has(type)) {
      if (stack.length >= maxDepth) {
        add(report("LLMP0004", spanOf(token), { limit: maxDepth }, { hints: ["name a part of it with `let`"] }));
        skipping = 1;
        continue;
      }
      stack.push(token);
    } else if (closers.has(type)) {
      const opener = top();
      if (opener === undefined) {
        add(
          report(
            "LLMP0202",
            spanOf(token),
            { text: token.image },
            {
              hints: ["remove it, or look for an opening bracket that is missing above"],
              fixes: [{ title: `Remove \`${token.image}\``, safe: false, edits: [{ span: spanOf(token), text: "" }] }],
            },
          ),
        );
        continue;
      }
      if (closerOf.get(opener.tokenType) !== type) {
        const inner = stack.findLastIndex((o) => closerOf.get(o.tokenType) === type);
        if (inner >= 0) {
          while (stack.length - 1 > inner) unclosed(stack.pop() as IToken, token);
          stack.pop();
        } else {
          const want = images.get(closerOf.get(opener.tokenType) as TokenType) ?? "";
          add(
            report(
              "LLMP0203",
              spanOf(token),
              { text: token.image, open: opener.image },
              {
                labels: [{ span: spanOf(opener), text: "opened here" }],
                hints: [`\`${opener.image}\` is closed by \`${want}\``],
                fixes: [{ title: `Write \`${want}\``, safe: true, edits: [{ span: spanOf(token), text: want }] }],
              },
            ),
          );
          stack.pop();
          const lastEndBefore = lastEnd;
          lastEnd = token.startOffset + token.image.length;
          close(opener);
          lastEnd = Math.max(lastEnd, lastEndBefore);
          continue;
        }
      } else stack.pop();
    }
    out.push(token);
    lastEnd = token.startOffset + token.image.length;
  }
  while (stack.length > 0) unclosed(stack.pop() as IToken);
  return out;
}

const isKey = (token: IToken | undefined): boolean => token?.tokenType === t.Name;
const isAssign = (token: IToken | undefined): boolean =>
  token !== undefined && (token.tokenType === t.Equals || token.tokenType === t.Less || token.tokenType === t.AtMost);

/** At the very start of a line: `import "…"`, `param x`, `let x`, `word name {`, `word name:`, `word name from`, `word {`. */
function startsBlock(tokens: readonly IToken[], at: number, text: string): boolean {
  const first = tokens[at];
  if (first === undefined) return false;
  const before = text[first.startOffset - 1];
  if (before !== "\n" && before !== "\r") return false;
  const [second, third] = [tokens[at + 1]?.tokenType, tokens[at + 2]?.tokenType];
  if (first.tokenType === t.Import || first.tokenType === t.Param || first.tokenType === t.Let) return true;
  if (first.tokenType !== t.Name) return false;
  if (second === t.LCurly) return true;
  return second === t.Name && (third === t.LCurly || third === t.Colon || third === t.From);
}
