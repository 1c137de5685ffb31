/** What answers while typing must answer on any text, and say the same as the whole file's parse. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { DocumentSymbol } from "vscode-languageserver";
import { Document } from "../../src/lsp/document.js";
import { completion } from "../../src/lsp/features/completion.js";
import { formatting } from "../../src/lsp/features/formatting.js";
import { inlayHints, lenses } from "../../src/lsp/features/hints.js";
import { hover } from "../../src/lsp/features/hover.js";
import { definition, highlights, rename } from "../../src/lsp/features/navigation.js";
import { documentSymbols, folding } from "../../src/lsp/features/outline.js";
import { semanticTokens } from "../../src/lsp/features/semantic-tokens.js";
import { Project } from "../../src/lsp/project.js";
import { sitesOf } from "../../src/lsp/sites.js";
import { parse } from "../../src/parser/index.js";
import { root } from "../built.js";

const texts = ["examples", "std"].flatMap((folder) =>
  readdirSync(path.join(root, folder))
    .filter((f) => f.endsWith(".llmp"))
    .map((f) => readFileSync(path.join(root, folder, f), "utf8")),
);
const file = path.join(root, "examples/robust.llmp");
const open = (text: string, previous?: Document): Document =>
  new Document(file, pathToFileURL(file).href, text, (previous?.version ?? 0) + 1, previous);

test("chunks say what the whole file says, for every example and family", () => {
  for (const text of texts) {
    const whole = parse({ path: "", text }).value;
    const expected = whole.items
      .flatMap((item) => sitesOf(item, text))
      .map((s) => [s.start, s.end, s.text, s.meaning.kind]);
    const document = open(text);
    const found = document.placed.flatMap(({ chunk, start }) =>
      chunk.sites.map((s) => [start + s.start, start + s.end, s.text, s.meaning.kind]),
    );
    const byPlace = (a: (string | number)[], b: (string | number)[]): number => Number(a[0]) - Number(b[0]);
    expect(found.sort(byPlace)).toEqual(expected.sort(byPlace));
    expect(document.placed.flatMap(({ chunk }) => chunk.comments).length).toBe(whole.comments.length);
  }
});

test("an edit inside one block leaves the others as they are", () => {
  const text = readFileSync(path.join(root, "examples/medical-mix.llmp"), "utf8");
  const before = open(text);
  const at = text.indexOf("100B");
  const after = open(`${text.slice(0, at)}2${text.slice(at)}`, before);
  const changed = after.placed.filter(({ chunk }) => !before.placed.some((p) => p.chunk === chunk));
  expect(changed).toHaveLength(1);
  expect(changed[0]?.chunk.text).toMatch(/^train base \{/);
});

const words = [
  "{",
  "}",
  "[",
  "]",
  "=",
  "<",
  "|",
  "..",
  ":",
  ",",
  "#",
  '"',
  "\n",
  " ",
  "train ",
  "model ",
  "import ",
  "from ",
  "auto",
  "7 days",
  "$5",
  "every ",
  "\u{1F600}",
  "\r\n",
];
const edit = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  cut: fc.nat(12),
  insert: fc.oneof(fc.constantFrom(...words), fc.string({ maxLength: 6 })),
});

function symbolsHold(symbols: readonly DocumentSymbol[]): void {
  const before = (a: { line: number; character: number }, b: { line: number; character: number }): boolean =>
    a.line < b.line || (a.line === b.line && a.character <= b.character);
  for (const s of symbols) {
    expect(s.name.trim()).not.toBe("");
    // Editors refuse a whole answer for one name outside its range.
    expect(before(s.range.start, s.selectionRange.start) && before(s.selectionRange.end, s.range.end)).toBe(true);
    symbolsHold(s.children ?? []);
  }
}

test("any edits: every request is answered, within the text and in order", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...texts),
      fc.array(edit, { minLength: 1, maxLength: 8 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (start, edits, cursor) => {
        const project = new Project(root, [path.join(root, "examples")]);
        let document = open(start);
        for (const { at, cut, insert } of edits) {
          const offset = Math.floor(at * document.text.length);
          document = open(document.text.slice(0, offset) + insert + document.text.slice(offset + cut), document);
          project.open.set(file, document);
        }
        const { length } = document.text;
        // No editor has a cursor within "\r\n": the protocol has no such place.
        const offset = document.offset(document.position(Math.floor(cursor * length)));
        for (const item of completion(document, offset, project, { snippets: true })) {
          const { range } = item.textEdit as {
            range: { start: { line: number }; end: { line: number; character: number } };
          };
          expect(range.start.line).toBe(range.end.line);
          expect(document.offset(range.end)).toBe(offset);
        }
        hover(document, offset, project, undefined);
        definition(document, offset, project);
        highlights(document, offset, project);
        rename(document, offset, "renamed", project);
        symbolsHold(documentSymbols(document));
        for (const { startLine, endLine } of folding(document))
          expect(startLine < endLine && endLine < document.lines.lineCount).toBe(true);
        formatting(document);
        inlayHints(document, 0, length, undefined);
        lenses(document, undefined);
        const data = semanticTokens(document, project.scope(document));
        for (let i = 0; i < data.length; i += 5)
          expect((data[i] ?? 0) > 0 || (data[i + 1] ?? 0) >= (i === 0 ? 0 : 1)).toBe(true);
      },
    ),
    {
      numRuns: Number(process.env.LLMP_FUZZ_RUNS ?? 120),
      // Found by longer runs: a block that has neither keyword nor name.
      examples: [["train a {\n}\n", [{ at: 0.99, cut: 0, insert: 'A"' }], 0]],
    },
  );
});
