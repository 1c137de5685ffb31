import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { Fix } from "../../src/diagnostics/index.js";
import { checkText } from "./helpers.js";

const folder = new URL("../faulty/check/", import.meta.url);
const files = readdirSync(folder).filter((f) => f.endsWith(".llmp"));

const apply = (text: string, fix: Fix): string =>
  [...fix.edits]
    .sort((a, b) => b.span.start - a.span.start)
    .reduce((t, { span, text: by }) => t.slice(0, span.start) + by + t.slice(span.end), text);

const cases = files.flatMap((file) => {
  const text = readFileSync(new URL(file, folder), "utf8");
  return checkText(text).diagnostics.flatMap((d) =>
    d.fixes.map((fix) => ({ file, text, fix, code: d.code, at: d.message })),
  );
});

test("many mistakes come with an edit", () => {
  expect(cases.length).toBeGreaterThan(25);
});

test.each(cases)("$file: `$fix.title` takes the mistake away", ({ text, fix, at }) => {
  const left = checkText(apply(text, fix)).diagnostics.map((d) => d.message);
  expect(left).not.toContain(at);
});
