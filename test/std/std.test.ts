import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { families } from "../../src/checker/index.js";
import { checkFile } from "../checker/helpers.js";
import { countParameters } from "./count.js";

interface Row {
  readonly model: string;
  readonly family: string;
  readonly source: string;
  readonly parameters: number;
}

const { rows } = JSON.parse(readFileSync(new URL("published.json", import.meta.url), "utf8")) as { rows: Row[] };

test("the list of families is the folder", () => {
  const files = readdirSync(new URL("../../std/", import.meta.url)).map((f) => f.replace(/\.llmp$/, ""));
  expect(files.sort()).toEqual([...families].sort());
});

test.each(families)("std/%s checks without a word", (family) => {
  const { value, diagnostics } = checkFile(`std/${family}.llmp`);
  expect(diagnostics).toEqual([]);
  const listed = rows.filter((r) => r.family === family).map((r) => r.model);
  expect(Object.keys(value?.models ?? {}).sort()).toEqual(listed.sort());
});

test.each(rows)("$model has its published number of parameters ($source)", ({ model, family, parameters }) => {
  const spec = checkFile(`std/${family}.llmp`).value?.models[model];
  if (spec === undefined) throw new Error(`std/${family} has no ${model}`);
  expect(countParameters(spec)).toBe(parameters);
});
