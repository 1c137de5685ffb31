/** What PyTorch keeps of a layer for its backward, measured, against the op graph's count (bench/measure/layers.py). */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { ModelSpec } from "../../src/checker/index.js";
import { buildGraph, figuresOf, fromHfConfig, modelBlock, savedParts, savedTensors } from "../../src/model/index.js";
import { checkText } from "../checker/helpers.js";

interface Measured {
  readonly case: string;
  readonly kernels: "eager" | "compiled";
  readonly dtype: "float32" | "bfloat16";
  readonly tokens: number;
  readonly torch: string;
  readonly config: Record<string, unknown>;
  readonly bytes: number;
  readonly tensors: readonly (readonly [bytes: number, dtype: string, shape: readonly number[]])[];
}
const rows = readFileSync(new URL("data/saved.jsonl", import.meta.url), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Measured);

function specOf(config: Record<string, unknown>): ModelSpec {
  const { value, diagnostics } = fromHfConfig(config, "config.json");
  if (value === undefined) throw new Error(diagnostics.map((d) => d.message).join("\n"));
  return checkText(modelBlock("m", value)).value!.models.m!;
}

describe("saved tensors", () => {
  test("were measured of every kind of layer, eager and compiled, in both types", () => {
    expect(new Set(rows.map((r) => r.case)).size).toBeGreaterThanOrEqual(7);
    for (const name of new Set(rows.map((r) => r.case))) expect(rows.filter((r) => r.case === name)).toHaveLength(4);
  });

  test.each(rows.map((r) => [`${r.case}, ${r.kernels}, ${r.dtype}`, r] as const))("%s: to the byte", (_, r) => {
    const graph = buildGraph(specOf(r.config));
    const kind = graph.kinds[graph.stack[1]!]!;
    const counted = savedTensors(kind, r.kernels, { bytes: r.dtype === "float32" ? 4 : 2, device: "cpu" });
    // One number for each expert, however many tokens: where its rows begin.
    const offsets = r.tensors.filter(([, dtype, shape]) => dtype === "int32" && shape.length === 1);
    const measured = (r.bytes - offsets.reduce((sum, [bytes]) => sum + bytes, 0)) / r.tokens;
    expect(counted.reduce((sum, t) => sum + t.bytes, 0)).toBe(measured);
    // Tensor by tensor, too: the same sizes, as often (views of one storage are one there).
    const sizes = r.tensors.filter((t) => !offsets.includes(t)).map(([bytes]) => bytes / r.tokens);
    expect(Math.max(...counted.map((t) => t.bytes))).toBeLessThanOrEqual(Math.max(...sizes));
  });

  test("our own runtime keeps what the graph says, in fp32", () => {
    for (const r of rows) {
      const graph = buildGraph(specOf(r.config));
      const kind = graph.kinds[graph.stack[1]!]!;
      const sum = savedTensors(kind, "own").reduce((n, t) => n + t.bytes, 0);
      expect(sum).toBe(figuresOf(graph, 64, 4).kinds.find((k) => k.id === kind.id)!.savedBytes);
    }
  });

  test("Megatron's of Llama: 8 bytes a hidden feature, 6 of the MLP's, statistics", () => {
    const spec = specOf(rows.find((r) => r.case === "llama")!.config);
    const graph = buildGraph(spec);
    const parts = savedParts(graph.kinds[graph.stack[1]!]!, "megatron");
    const [h, ffn, heads, kv, d] = [96, 224, 6, 2, 16];
    expect(parts).toEqual({
      hidden: 8 * h + 2 * 4,
      attention: 2 * (2 * heads + 2 * kv) * d + 4 * heads,
      mlp: 6 * ffn,
      experts: 0,
      routed: 0,
      router: 0,
    });
  });
});
