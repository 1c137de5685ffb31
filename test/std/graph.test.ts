import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { buildGraph } from "../../src/model/index.js";
import { checkFile } from "../checker/helpers.js";

interface Row {
  readonly model: string;
  readonly family: string;
  readonly parameters: number;
}

const { rows } = JSON.parse(readFileSync(new URL("published.json", import.meta.url), "utf8")) as { rows: Row[] };

test.each(rows)("the graph of $model has its published number of parameters", ({ model, family, parameters }) => {
  const spec = checkFile(`std/${family}.llmp`).value?.models[model];
  if (spec === undefined) throw new Error(`std/${family} has no ${model}`);
  expect(buildGraph(spec).parameters).toBe(parameters);
});
