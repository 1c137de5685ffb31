import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { check } from "../../src/checker/index.js";
import { format, parse } from "../../src/parser/index.js";

/** Whatever the text: an answer, in time, with every place inside the file. */
const texts = ["examples", "std"].flatMap((d) =>
  readdirSync(d)
    .filter((f) => f.endsWith(".llmp"))
    .map((f) => readFileSync(`${d}/${f}`, "utf8")),
);
const host = {
  read: (path: string): string | undefined => (path.startsWith("std/") ? readFileSync(path, "utf8") : undefined),
};

function survives(text: string, deep = true): void {
  const file = { path: "main.llmp", text };
  const { value, diagnostics } = parse(file);
  format(file, value);
  const all = deep ? [...diagnostics, ...check(value, host).diagnostics] : diagnostics;
  for (const d of all) {
    const span = d.primary?.span;
    if (span === undefined || span.file !== "main.llmp") continue;
    expect(span.start).toBeGreaterThanOrEqual(0);
    expect(span.end).toBeGreaterThanOrEqual(span.start);
    expect(span.end).toBeLessThanOrEqual(text.length);
  }
}

const scraps = [
  "{",
  "}",
  "[",
  "]",
  "(",
  ")",
  "=",
  ",",
  "\n",
  "..",
  "|",
  "from",
  "every",
  '"',
  "#",
  ":",
  "-",
  "*",
  "1",
  "a",
  "$",
  "\\",
  "é",
  "\u0000",
  "%",
  "<",
  "<<<<<<<",
  "//",
  "'",
  ";",
  "import",
  "9e999",
  "-1",
];
const edit = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  cut: fc.nat(30),
  put: fc.array(fc.constantFrom(...scraps), { maxLength: 3 }).map((p) => p.join(" ")),
});

describe("any text gets an answer", () => {
  it("examples with random edits", () => {
    fc.assert(
      fc.property(fc.constantFrom(...texts), fc.array(edit, { minLength: 1, maxLength: 6 }), (text, edits) => {
        let out = text;
        for (const { at, cut, put } of edits) {
          const i = Math.floor(at * out.length);
          out = out.slice(0, i) + put + out.slice(i + cut);
        }
        survives(out);
      }),
      { numRuns: 400 },
    );
  });

  it("random bytes and random words", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (b) => survives(Buffer.from(b).toString("utf8"))),
      { numRuns: 300 },
    );
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (s) => survives(s)),
      { numRuns: 300 },
    );
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...scraps), { maxLength: 60 }), (s) => survives(s.join(" "))),
      { numRuns: 400 },
    );
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...scraps), { maxLength: 60 }), (s) => survives(s.join(""))),
      { numRuns: 400 },
    );
  });

  it("deep nesting, unbalanced and not", () => {
    for (const open of ["(", "[", "{", "a = {", "x {", "-", "every ", "[a, ", "from 1 {", "model m {\n"])
      for (const n of [50, 63, 64, 65, 1000, 100_000]) {
        survives(`let a = ${open.repeat(n)}`, n < 2000);
        survives(
          `model m { a = ${open.repeat(n)}1${")]}"[["(", "[", "{"].indexOf(open)]?.repeat(n) ?? ""} }`,
          n < 2000,
        );
      }
  }, 60_000);

  it("10 MB: valid, without a line end, and rubbish", () => {
    const row = 'dataset web { source = "s3://c/x.jsonl", tokens = 1.2T, holdout = 5% }\n';
    const started = Date.now();
    const { value, diagnostics } = parse({ path: "main.llmp", text: row.repeat(10_000_000 / row.length) });
    expect(diagnostics).toEqual([]);
    expect(value.items.length).toBe(Math.floor(10_000_000 / row.length));
    survives(`let a = "${"x".repeat(10_000_000)}"`, false);
    survives(`let a = "${"\\\\".repeat(4_000_000)}"`, false);
    survives("\n".repeat(10_000_000), false);
    survives("@".repeat(10_000_000), false);
    survives("a ".repeat(2_000_000), false);
    expect(Date.now() - started).toBeLessThan(60_000);
  }, 120_000);
});
