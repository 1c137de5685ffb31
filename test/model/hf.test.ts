import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { ModelSpec } from "../../src/checker/index.js";
import { families } from "../../src/checker/index.js";
import { buildGraph, fieldsOf, fromHfConfig, hfLosses, modelBlock, toHfConfig } from "../../src/model/index.js";
import { checkFile, checkText } from "../checker/helpers.js";

const models = families.flatMap((family) => Object.entries(checkFile(`std/${family}.llmp`).value?.models ?? {}));

function imported(json: unknown): { readonly spec: ModelSpec; readonly warnings: readonly string[]; text: string } {
  const { value, diagnostics } = fromHfConfig(json, "config.json");
  if (value === undefined) throw new Error(diagnostics.map((d) => d.message).join("\n"));
  const text = modelBlock("m", value);
  const checked = checkText(text);
  expect(checked.diagnostics).toEqual([]);
  return { spec: checked.value?.models.m as ModelSpec, warnings: diagnostics.map((d) => d.message), text };
}

/** What has no place in a `config.json`. */
const outside = ["imbalance", "capacity_factor"];
const comparable = (spec: ModelSpec) =>
  Object.fromEntries(Object.entries(fieldsOf(spec)).filter(([key]) => !outside.includes(key)));

describe("a model, as config.json and back", () => {
  test.each(models)("%s is the same model", (_, spec) => {
    const { spec: back, warnings } = imported(JSON.parse(JSON.stringify(toHfConfig(spec))));
    expect(warnings).toEqual([]);
    expect(comparable(back)).toEqual(comparable(spec));
    expect(buildGraph(back).parameters).toBe(buildGraph(spec).parameters);
    expect(hfLosses(spec)).toEqual([]);
  });
});

const fixtures = new URL("../weights/fixtures/", import.meta.url);
const tiny = readdirSync(fixtures).filter((f) => readdirSync(new URL(f, fixtures)).includes("config.json"));

describe("files that transformers wrote", () => {
  test.each(tiny)("%s: as many parameters as the safetensors hold", (name) => {
    const config = JSON.parse(readFileSync(new URL(`${name}/config.json`, fixtures), "utf8"));
    const { spec, warnings } = imported(config);
    expect(warnings).toEqual(name === "deepseek_v3" ? ["not carried over: the multi-token-prediction module"] : []);
    const bytes = readFileSync(new URL(`${name}/model.safetensors`, fixtures));
    const length = Number(bytes.readBigUInt64LE());
    const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as Record<string, { shape?: number[] }>;
    const stored = Object.values(header).reduce((n, t) => n + (t.shape?.reduce((a, b) => a * b, 1) ?? 0), 0);
    expect(buildGraph(spec).parameters).toBe(stored);
  });
});
