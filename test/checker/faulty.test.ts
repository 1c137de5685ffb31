import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { LineMap } from "../../src/text/index.js";
import { checkText } from "./helpers.js";

interface Expected {
  readonly code: string;
  readonly line: number;
  readonly column: number;
  /** Part of one of the hints. */
  readonly hint?: string;
}

const folder = new URL("../faulty/check/", import.meta.url);
const names = readdirSync(folder).flatMap((f) => (f.endsWith(".llmp") ? [f.slice(0, -5)] : []));

test.each(names)("%s", (name) => {
  const text = readFileSync(new URL(`${name}.llmp`, folder), "utf8");
  const expected = JSON.parse(readFileSync(new URL(`${name}.expected.json`, folder), "utf8")) as Expected[];
  const { diagnostics } = checkText(text);
  const lines = new LineMap(text);
  const found = diagnostics.map((d) => {
    const { line, column } = lines.position(d.primary?.span.start ?? -1);
    return { code: d.code, line, column };
  });
  expect(found).toEqual(expected.map(({ code, line, column }) => ({ code, line, column })));
  for (const [i, { hint }] of expected.entries()) {
    if (hint !== undefined) expect(diagnostics[i]?.hints.join("\n")).toContain(hint);
  }
});

test("there are enough of them", () => {
  expect(names.length).toBeGreaterThanOrEqual(65);
});
