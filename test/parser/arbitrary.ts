/** Texts of legal files, with odd spacing and comments wherever one may stand. */
import fc from "fast-check";

const reserved = new Set(["import", "param", "let", "from", "every", "true", "false"]);
const name = fc
  .stringMatching(/^[a-z_][a-z0-9_]{0,6}(\.[a-z0-9]{1,4}){0,2}(-[a-z0-9]{1,3})?$/)
  .filter((n) => !reserved.has(n));
const gap = fc.constantFrom(" ", "  ", "\t");
const maybeGap = fc.constantFrom("", " ", "   ");
const number = fc.oneof(
  fc.constantFrom("8Ki", "4M tokens", "80GiB", "30min", "7 days", "$50_000", "70%", "3e-4", "1f1b", "1_000.5", "0"),
  fc.nat(100000).map(String),
);
const text = fc.constantFrom('"a"', '"s3://x/*.gz"', '"a \\"q\\" # no comment"', '""', '"\\u{1F600} é"', '"[{("');
const note = fc.constantFrom("#", "# a note", "#! x = { 1", '# "quoted');
const lineEnd = fc
  .constantFrom("\n", "\n", "\n\n", "\r\n", "\n\n\n")
  .chain((nl) => fc.option(note, { freq: 3 }).map((n): string => (n === null ? nl : ` ${n}${nl}`)));
const ownLines: fc.Arbitrary<string> = fc
  .array(
    note.map((n): string => `  ${n}\n`),
    { maxLength: 2 },
  )
  .map((a) => a.join(""));

interface Made {
  expr: string;
  body: string;
}
const made = fc.letrec<Made>((tie: fc.LetrecTypedTie<Made>) => ({
  expr: fc.oneof(
    { maxDepth: 3, depthIdentifier: "e" },
    number,
    name,
    text,
    fc.constantFrom("auto", "true", "false", "every 2 layers", "every 30min", "-3"),
    fc.tuple(number, maybeGap, number).map(([a, s, b]) => `${a}${s}..${s}${b}`),
    fc.tuple(name, maybeGap, name, name).map(([a, s, b, c]) => `${a}${s}|${s}${b} | ${c}`),
    fc
      .tuple(name, fc.constantFrom("+", "-", "*", "/"), number, name)
      .map(([a, o, b, c]) => `${a} ${o} ${b} * (${c} - 1)`),
    fc
      .tuple(
        fc.array(tie("expr"), { maxLength: 4 }),
        fc.constantFrom<string[]>(", ", ",\n", ",  # in a list\n", "\n,\n"),
        fc.boolean(),
      )
      .map(([items, sep, trail]) => `[${items.join(sep)}${trail && items.length > 0 ? "," : ""}]`),
    tie("body"),
    fc.tuple(name, tie("body")).map(([n, b]) => `${n} ${b}`),
  ),
  body: fc.oneof(
    fc.constant("{}"),
    fc
      .tuple(fc.array(pair(tie("expr")), { maxLength: 4 }), fc.constantFrom(", ", ","))
      .map(([p, s]) => `{ ${p.join(s)} }`),
    fc
      .tuple(fc.array(fc.tuple(ownLines, pair(tie("expr")), lineEnd), { maxLength: 4 }), lineEnd, ownLines)
      .map(([p, first, last]) => `{${first}${p.map((e) => e.join("")).join("")}${last}}`),
  ),
}));

function pair(expr: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.tuple(name, maybeGap, fc.constantFrom("=", "=", "=", "<", "<="), gap, expr).map((p) => p.join(""));
}

const phased: fc.Arbitrary<string> = fc
  .tuple(number, made.body, lineEnd, pair(made.expr))
  .map(([at, body, nl, p]) => `{ ${p}${nl} from ${at} ${body}${nl}}`);
const item = fc.oneof(
  text.map((t) => `import ${t}`),
  fc
    .tuple(name, maybeGap, fc.option(made.expr))
    .map(([n, s, e]) => `param ${n}${s}: int${e === null ? "" : ` = ${e}`}`),
  fc.tuple(name, made.expr).map(([n, e]) => `let ${n} = ${e}`),
  fc
    .tuple(name, fc.option(name), fc.option(name), fc.option(name), fc.oneof(made.body, phased))
    .map(
      ([k, n, p, f, b]) =>
        `${k}${n === null ? "" : ` ${n}${p === null ? "" : `: ${p}`}${f === null ? "" : ` from ${f}`}`} ${b}`,
    ),
);

export const fileText = fc
  .array(fc.tuple(ownLines, item, lineEnd), { maxLength: 5 })
  .map((items) => items.map((i) => i.join("")).join(""));
