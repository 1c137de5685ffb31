/** The words of the language. Tokens marked as mistakes are read, so that they can be reported and mended, and are no part of the grammar. */
import { createToken, Lexer, type TokenType } from "chevrotain";

/** Ends an entry: a line end or a comma. */
export const Separator = createToken({ name: "Separator", pattern: Lexer.NA });
/** Joins two operands. Precedence, loosest first: `|`, `..`, `+ -`, `* /`. */
export const Operator = createToken({ name: "Operator", pattern: Lexer.NA });
/** Between a key and its value. */
export const Assign = createToken({ name: "Assign", pattern: Lexer.NA });
/** Tokens that begin nothing; kept so that one wrong character costs one line, not the file. */
export const Stray = createToken({ name: "Stray", pattern: Lexer.NA });
/** A text in quotes, or what should have been one. */
export const Text = createToken({ name: "Text", pattern: Lexer.NA });

const WhiteSpace = createToken({ name: "WhiteSpace", pattern: /[ \t\v\f\u00a0\ufeff]+/, group: Lexer.SKIPPED });
export const Newline = createToken({
  name: "Newline",
  pattern: /[\r\n][ \t\r\n]*/,
  line_breaks: true,
  categories: [Separator],
});
export const Hash = createToken({ name: "Comment", pattern: /#[^\r\n]*/, group: "comments" });
export const SlashComment = createToken({ name: "SlashComment", pattern: /\/\/[^\r\n]*/, group: "slashes" });
export const Conflict = createToken({
  name: "ConflictMarker",
  pattern: /(?:<{7}|={7}|>{7})[^\r\n]*/,
  group: "conflicts",
});

/** Scanned by hand: a regular expression that knows escapes overflows its stack on a text of megabytes. */
function quoted(quote: string, closed: boolean) {
  return (text: string, start: number): [string] | null => {
    if (text[start] !== quote) return null;
    for (let i = start + 1; ; i++) {
      const c = text[i];
      if (c === undefined || c === "\n" || c === "\r") return closed ? null : [text.slice(start, i)];
      if (c === quote) return closed ? [text.slice(start, i + 1)] : null;
      if (c === "\\" && text[i + 1] !== "\n" && text[i + 1] !== "\r" && i + 1 < text.length) i++;
    }
  };
}
const scanned = (name: string, quote: string, closed: boolean): TokenType =>
  createToken({
    name,
    pattern: quoted(quote, closed),
    start_chars_hint: [quote],
    line_breaks: false,
    categories: [Text],
  });
export const Str = scanned("String", '"', true);
export const OpenString = scanned("OpenString", '"', false);
export const SingleString = scanned("SingleString", "'", true);
export const CurlyString = createToken({ name: "CurlyString", pattern: /[“”„][^“”\r\n]*[“”]?/, categories: [Text] });
export const BarePath = createToken({
  name: "BarePath",
  pattern: /(?:[A-Za-z][A-Za-z0-9+]*:\/\/|\.{1,2}\/|~\/)[^\s,{}[\]()"'#]*/,
  categories: [Text],
});

export const Num = createToken({
  name: "Number",
  // Digits, then at most one fraction and exponent, then an attached suffix. `1..4` is a range, so a point needs a digit after it.
  pattern: /\$?\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d+(?![A-Za-z0-9_]))?(?:%|[A-Za-zµ][A-Za-z0-9_]*)?/,
});
export const BadNumber = createToken({ name: "BadNumber", pattern: /\.\d[\d_]*(?:[eE][+-]?\d+)?(?:%|[A-Za-z]\w*)?/ });

export const Name = createToken({ name: "Name", pattern: /[A-Za-z_]\w*(?:[-.]\w+)*/ });
const word = (name: string, text: string): TokenType =>
  createToken({ name, pattern: new RegExp(text), longer_alt: Name });
export const Import = word("Import", "import");
export const Param = word("Param", "param");
export const Let = word("Let", "let");
export const From = word("From", "from");
export const Every = word("Every", "every");
export const True = word("True", "true");
export const False = word("False", "false");

export const LCurly = createToken({ name: "LCurly", pattern: "{" });
export const RCurly = createToken({ name: "RCurly", pattern: "}" });
export const LSquare = createToken({ name: "LSquare", pattern: "[" });
export const RSquare = createToken({ name: "RSquare", pattern: "]" });
export const LRound = createToken({ name: "LRound", pattern: "(" });
export const RRound = createToken({ name: "RRound", pattern: ")" });
export const Comma = createToken({ name: "Comma", pattern: ",", categories: [Separator] });
export const Semicolon = createToken({ name: "Semicolon", pattern: ";", categories: [Separator] });

export const Pipe = createToken({ name: "Pipe", pattern: "|", categories: [Operator, Stray] });
export const DotDot = createToken({ name: "DotDot", pattern: /\.\.\.?/, categories: [Operator, Stray] });
export const Plus = createToken({ name: "Plus", pattern: "+", categories: [Operator, Stray] });
/** Also the sign of a number, so it is no `Stray`. */
export const Minus = createToken({ name: "Minus", pattern: "-", categories: [Operator] });
export const Star = createToken({ name: "Star", pattern: "*", categories: [Operator, Stray] });
export const Slash = createToken({ name: "Slash", pattern: "/", categories: [Operator, Stray] });

export const Colon = createToken({ name: "Colon", pattern: ":" });
export const Equals = createToken({ name: "Equals", pattern: "=", categories: [Assign] });
export const AtMost = createToken({ name: "AtMost", pattern: "<=", categories: [Assign] });
export const Less = createToken({ name: "Less", pattern: "<", categories: [Assign] });
/** What other languages write for `=`, and limits the wrong way round. */
export const WrongAssign = createToken({
  name: "WrongAssign",
  pattern: /==|:=|=>|->|\+=|!=|>=|>/,
  categories: [Assign],
});
export const Unknown = createToken({
  name: "Unknown",
  // biome-ignore lint/suspicious/noControlCharactersInRegex: binary rubbish is to be named, not to stop the lexer
  pattern: /[!$%&'?@\\^`~.\x00-\x08\x0e-\x1f\x7f-\x9f\u00a1-\ufefe\uff00-\uffff]/,
  categories: [Stray],
});

/** Tokens that exist only to be reported. */
export const mistakes: ReadonlySet<TokenType> = new Set([
  SlashComment,
  Conflict,
  OpenString,
  SingleString,
  CurlyString,
  BarePath,
  BadNumber,
  Semicolon,
  WrongAssign,
  Unknown,
  Stray,
]);

export const keywords: ReadonlyMap<string, TokenType> = new Map([
  ["import", Import],
  ["param", Param],
  ["let", Let],
  ["from", From],
  ["every", Every],
  ["true", True],
  ["false", False],
]);

/** In the order in which they are tried. */
export const allTokens: TokenType[] = [
  WhiteSpace,
  Newline,
  Hash,
  Conflict,
  BarePath,
  SlashComment,
  Num,
  Import,
  Param,
  Let,
  From,
  Every,
  True,
  False,
  Name,
  Str,
  OpenString,
  SingleString,
  CurlyString,
  LCurly,
  RCurly,
  LSquare,
  RSquare,
  LRound,
  RRound,
  Comma,
  Semicolon,
  WrongAssign,
  AtMost,
  Equals,
  Less,
  Colon,
  Pipe,
  DotDot,
  BadNumber,
  Plus,
  Minus,
  Star,
  Slash,
  Unknown,
  Separator,
  Operator,
  Assign,
  Stray,
  Text,
];
