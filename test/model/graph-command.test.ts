import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { command } from "../../src/cli/commands/graph.js";
import { call } from "./streams.js";

vi.mock("node:fs", async (original) =>
  (await import("./streams.js")).capture(await original<typeof import("node:fs")>()),
);

const examples = join(import.meta.dirname, "../../examples");
const graph = (...args: string[]) => call(command(), ...args);

describe("llmp graph", () => {
  test("a bundled model by name: totals, a row a kind, a row an op", async () => {
    const { out, code } = await graph("llama3_8b");
    expect(code).toBe(0);
    expect(out).toMatch(/^llama3_8b \(llama\): 8.03 B parameters\n/);
    expect(out).toMatch(/dense +× 32 +6.98 B +16.1 GFLOP +4.25 MiB/);
    // 2 · 4096 · 14336 FLOPs, 28 KiB of 16-bit outputs.
    expect(out).toMatch(/mlp.up_proj +linear +mlp.norm → mlp.up_proj +58.7 M +117 MFLOP +28 KiB/);
  });

  test("a stage brings its adapter and context along; a model by name does not", async () => {
    const file = join(examples, "mistral-7b-lora.llmp");
    const stage = JSON.parse((await graph(file, "--json")).out);
    expect(stage.trainableParameters).toBeLessThan(stage.parameters / 100);
    const model = JSON.parse((await graph(file, stage.model, "--json")).out);
    expect(model.trainableParameters).toBe(model.parameters);
    expect(model.figures.length).toBe(32_768);
    expect((await graph(file, stage.model, "--length", "128", "--json")).out).toContain('"length": 128');
  });

  test("pictures: every op a node, every input an edge, names in quotes", async () => {
    const dot = (await graph("gpt2", "--dot")).out;
    expect(dot).toMatch(/^digraph "gpt2" \{[\s\S]*label = "dense × 12"[\s\S]*\}\n$/);
    expect(dot.match(/\{/g)).toHaveLength(dot.match(/\}/g)?.length ?? 0);
    expect(dot).toContain('k1_attn_norm -> k1_attn_q_proj [label = "tokens × 768"]');
    const mermaid = (await graph("gpt2", "--mermaid")).out;
    expect(mermaid).toMatch(/^flowchart TD\n/);
    expect(mermaid.match(/subgraph/g)).toHaveLength(mermaid.match(/^ {2}end$/gm)?.length ?? 0);
    const nodes = (text: string, arrow: string) => text.split("\n").filter((l) => l.includes(arrow)).length;
    expect(nodes(mermaid, "-->")).toBe(nodes(dot, "->"));
  });

  test("unknown names are wrong usage with the nearest one", async () => {
    const made = await graph(join(examples, "mistral-7b-lora.llmp"), "mistral_7");
    expect(made.code).toBe(2);
    expect((await graph("nothing_like_it")).code).toBe(2);
    expect((await graph("gpt2", "--length", "many")).code).toBe(2);
  });
});
