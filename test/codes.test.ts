/** One row of the table, one page and one scenario for each code: this holds the three together. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import { allCodes } from "../src/diagnostics/index.js";

const codes = Object.keys(allCodes).sort();
const pages = readdirSync("docs/errors").map((f) => f.replace(/\.md$/, ""));

function* testsIn(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const at = path.join(folder, entry.name);
    if (entry.isDirectory()) yield* testsIn(at);
    else if (/\.(test\.ts|expected\.json)$/.test(entry.name) && !at.endsWith(path.join("test", "codes.test.ts")))
      yield at;
  }
}
const scenarios = [...testsIn("test")].map((file) => readFileSync(file, "utf8")).join("\n");

it("every code has its page, and every page its code", () => {
  expect(pages.sort()).toEqual(codes);
});

it.each(codes)("%s: the page stands under the table's title", (code) => {
  expect(readFileSync(`docs/errors/${code}.md`, "utf8").startsWith(`# ${code}: ${allCodes[code]?.title}\n`)).toBe(true);
});

// Pages of the checker's codes hold the scenario themselves: test/checker/pages.test.ts runs each wrong and right example.
it.each(codes.filter((code) => !/^LLMP[123]/.test(code)))("%s: a test makes it happen", (code) => {
  expect(scenarios).toContain(code);
});
