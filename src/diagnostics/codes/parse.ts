/** 0xxx reading, lexing, parsing. Codes are never reused. */
import { define } from "../define.js";

const since = "0.1";
const severity = "error";

export const parse = define({
  LLMP0001: {
    severity,
    title: "A file is too large",
    message: "this file has {size}; the largest that llmp reads is {limit}",
    since,
  },
  LLMP0002: { severity, title: "Not a text file", message: "this is not a text file", since },
  LLMP0003: { severity, title: "Too many errors", message: "{count} more errors are not shown", since },
  LLMP0004: { severity, title: "Nested too deeply", message: "brackets are nested more than {limit} deep", since },
  LLMP0005: {
    severity,
    title: "An expression is too long",
    message: "this expression has more than {limit} operators",
    since,
  },
  LLMP0006: { severity, title: "A merge conflict is left", message: "an unresolved merge conflict", since },
  LLMP0101: { severity, title: "An unknown character", message: "`{text}` means nothing here", since },
  LLMP0102: { severity, title: "A text is not closed", message: "this text has no closing quote", since },
  LLMP0103: { severity, title: "Text needs double quotes", message: "text is written in double quotes", since },
  LLMP0104: { severity, title: "A path needs quotes", message: "a path is written in quotes", since },
  LLMP0105: { severity, title: "An unknown escape", message: "`{text}` is not an escape that text may have", since },
  LLMP0106: { severity, title: "Comments begin with #", message: "a comment begins with `#`", since },
  LLMP0107: { severity, title: "A malformed number", message: "`{text}` is not a number as llmp writes them", since },
  LLMP0108: { severity, title: "A semicolon", message: "entries end with the line, or with a comma", since },
  LLMP0201: { severity, title: "A bracket is not closed", message: "`{open}` is never closed", since },
  LLMP0202: {
    severity,
    title: "A closing bracket in excess",
    message: "nothing is open that `{text}` could close",
    since,
  },
  LLMP0203: { severity, title: "The wrong closing bracket", message: "`{text}` closes a `{open}`", since },
  LLMP0205: { severity, title: "Not expected here", message: "did not expect {found} here", since },
  LLMP0301: { severity, title: "The = is missing", message: "`=` is missing after `{key}`", since },
  LLMP0302: { severity, title: "A value is missing", message: "`{key}` has no value", since },
  LLMP0303: {
    severity,
    title: "The wrong sign between key and value",
    message: "a value is set with `=`, not with `{text}`",
    since,
  },
  LLMP0304: {
    severity,
    title: "A limit the wrong way round",
    message: "a limit is an upper one: `{key} < …`, not `{text}`",
    since,
  },
  LLMP0305: {
    severity,
    title: "A comma or a new line is missing",
    message: "a comma or a new line is missing before {found}",
    since,
  },
  LLMP0306: { severity, title: "A quoted key", message: "a key is written without quotes", since },
  LLMP0307: {
    severity,
    title: "A value is missing beside an operator",
    message: "a value is missing after `{operator}`",
    since,
  },
  LLMP0308: { severity, title: "A range with three dots", message: "a range has two dots", since },
  LLMP0309: { severity, title: "Brackets without one value", message: "`( )` holds exactly one value", since },
  LLMP0310: { severity, title: "An interval is missing", message: "`every` needs an interval", since },
  LLMP0311: { severity, title: "A range of ranges", message: "a range has one lower and one upper end", since },
  LLMP0312: { severity, title: "A setting outside a block", message: "`{key}` is set outside any block", since },
  LLMP0313: { severity, title: "A block without a body", message: "the {kind} block has no body", since },
  LLMP0314: { severity, title: "Not a name", message: "{found} is not a name", since },
  LLMP0315: { severity, title: "A name is missing", message: "a name is missing after `{after}`", since },
  LLMP0316: { severity, title: "An import without a path", message: "`import` needs a path in quotes", since },
  LLMP0317: { severity, title: "A default of the wrong form", message: "a {kind} is written `{form}`", since },
  LLMP0319: { severity, title: "An incomplete phase", message: "a phase needs {what}", since },
});
