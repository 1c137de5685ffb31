/**
 * Checkpoints that `transformers` made, through our executor: its logits (make_fixtures.py), and the same tensors when they
 * are saved again.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { ModelSpec } from "../../src/checker/index.js";
import type { ModelGraph } from "../../src/model/graph.js";
import { buildGraph, fromHfConfig, modelBlock } from "../../src/model/index.js";
import { exportModel } from "../../src/runtime/checkpoint/index.js";
import type { NamedTensor } from "../../src/runtime/interfaces.js";
import { openLanguageModel } from "../../src/runtime/sample/index.js";
import { forGraph, openWeights, SafetensorsFile } from "../../src/runtime/weights/index.js";
import { checkText } from "../checker/helpers.js";

const fixtures = join(import.meta.dirname, "fixtures");
const families = readdirSync(fixtures).filter((name) => existsSync(join(fixtures, name, "expected.json")));

const read = (name: string, file: string) => JSON.parse(readFileSync(join(fixtures, name, file), "utf8"));

function modelOf(name: string): { readonly spec: ModelSpec; readonly graph: ModelGraph } {
  const { value } = fromHfConfig(read(name, "config.json"), name);
  const spec = checkText(modelBlock("m", value ?? {})).value?.models.m;
  if (spec === undefined) throw new Error(`${name} is no model`);
  return { spec, graph: buildGraph(spec) };
}

const weightsOf = (name: string, graph: ModelGraph) => forGraph(openWeights(join(fixtures, name)), graph, name);

interface Expected {
  readonly tokens: readonly (readonly number[])[];
  /** Of the last four positions. */
  readonly logits: readonly (readonly (readonly number[])[])[];
  /** Over the vocabulary, of every position. */
  readonly sums: readonly (readonly number[])[];
}

describe.each(families)("%s", (name) => {
  const { spec, graph } = modelOf(name);

  test("every tensor of the file has its place", () => {
    expect(weightsOf(name, graph).unused).toEqual([]);
  });

  test("logits are those of transformers to 1e-4, at every position", async () => {
    const expected = read(name, "expected.json") as Expected;
    const model = await openLanguageModel({ graph, spec, weights: weightsOf(name, graph) });
    let worst = 0;
    for (const [s, tokens] of expected.tokens.entries()) {
      for (let n = 1; n <= tokens.length; n++) {
        const logits = await model.next(Int32Array.from(tokens.slice(0, n)));
        const sum = logits.reduce((a, b) => a + b, 0);
        worst = Math.max(worst, Math.abs(sum - (expected.sums[s]?.[n - 1] ?? Number.NaN)) / logits.length);
        const row = expected.logits[s]?.[n - 1 - (tokens.length - 4)];
        for (const [i, value] of (row ?? []).entries()) worst = Math.max(worst, Math.abs((logits[i] ?? NaN) - value));
      }
    }
    await model.close();
    expect(worst).toBeLessThan(1e-4);
  });

  test("saved again, the file has the same tensors", async () => {
    const store = weightsOf(name, graph);
    const tensors: NamedTensor[] = [];
    for (const wanted of store.names()) tensors.push((await store.read(wanted)) as NamedTensor);
    await store.close();
    const folder = join(mkdtempSync(join(tmpdir(), "llmp-logits-")), "final");
    exportModel(tensors, graph, { folder, files: {} });
    const [was, is] = [join(fixtures, name), folder].map((f) => new SafetensorsFile(join(f, "model.safetensors")));
    expect([...(is?.names ?? [])].sort()).toEqual([...(was?.names ?? [])].sort());
    for (const tensor of was?.names ?? []) {
      expect(is?.header.tensors.get(tensor)?.shape).toEqual(was?.header.tensors.get(tensor)?.shape);
      expect(is?.raw(tensor), tensor).toEqual(was?.raw(tensor));
    }
  });
});
