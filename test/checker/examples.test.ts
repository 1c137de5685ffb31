import { existsSync, readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { check } from "../../src/checker/index.js";
import { parse } from "../../src/parser/index.js";
import { checkFile, hostOf, root } from "./helpers.js";

const names = readdirSync(new URL("examples/", root)).filter((f) => f.endsWith(".llmp"));

test.each(names)("%s checks without errors and warnings", (name) => {
  const { value, diagnostics } = checkFile(`examples/${name}`);
  expect(diagnostics).toEqual([]);
  expect(value?.stages.length).toBeGreaterThan(0);
  // A pipeline is plain data.
  expect(JSON.parse(JSON.stringify(value))).toEqual(value);
});

test.each(names.filter((n) => n.startsWith("local-") || n === "shakespeare.llmp"))("%s has its data", (name) => {
  const { value } = checkFile(`examples/${name}`);
  for (const dataset of Object.values(value?.datasets ?? {})) {
    for (const path of dataset.source.value) expect(existsSync(new URL(`examples/${path}`, root)), path).toBe(true);
  }
});

test("a file's own paths, whoever imports it, are relative to the root file", () => {
  const shared =
    'dataset web { source = "data/a.txt" }\nmodel m { architecture = gpt2, layers = 1, hidden = 8, heads = 2, ffn = 8, vocab = 300, context_length = 8 }';
  const text = 'import "../shared/common.llmp"\n';
  const host = {
    ...hostOf("runs/main.llmp", text),
    read: (p: string) => (p === "shared/common.llmp" ? shared : undefined),
  };
  const ast = parse({ path: "runs/main.llmp", text }).value;
  if (ast === undefined) throw new Error("no ast");
  expect(check(ast, host).value?.datasets.web?.source.value).toEqual(["../shared/data/a.txt"]);
});
