/** What the fuzzer found, each kept small: bytes that ended in a stack trace or in no answer before. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, it, vi } from "vitest";
import { planOf } from "../../src/cli/plan/input.js";
import { importConfig, importers } from "../../src/import/index.js";
import { readCalibration } from "../../src/planner/calibrate/index.js";
import { chatRenderer, jsonTokenizer } from "../../src/runtime/tokenizer/index.js";
import { readAdapter } from "../../src/runtime/weights/index.js";
import { targets } from "./long/targets/index.js";

const folder = mkdtempSync(path.join(tmpdir(), "llmp-found-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it.each([
  ["is cut short", '{"r": 8', "adapter_config.json"],
  ["holds no object", "null", "not a JSON object"],
  ["has a rank of 0", '{"peft_type":"LORA","r":0,"lora_alpha":16}', "r of adapter_config.json is not a number above 0"],
  [
    "has a pattern of nonsense",
    '{"peft_type":"LORA","r":8,"lora_alpha":16,"alpha_pattern":{"q":"x"}}',
    "alpha_pattern of q",
  ],
])("an adapter_config.json that %s", async (_, config, why) => {
  writeFileSync(path.join(folder, "adapter_config.json"), config);
  await expect(readAdapter(folder)).rejects.toThrow(new RegExp(`LLMP6205: .*${why}`));
});

const parts = { version: "1.0", normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null };
const tokenizer = (change: object) =>
  jsonTokenizer({
    path: "tokenizer.json",
    json: JSON.stringify({
      ...parts,
      added_tokens: [],
      model: { type: "BPE", vocab: { a: 0 }, merges: [] },
      ...change,
    }),
  });

it("a tokenizer.json with an id of 2^31 (no answer), or with a part that fails at the first text", async () => {
  await expect(tokenizer({})).resolves.toBeDefined();
  const vocab = { a: 0, b: 2 ** 31 };
  await expect(tokenizer({ model: { type: "BPE", vocab, merges: [] } })).rejects.toThrow(/LLMP6101: .*2147483648/);
  await expect(tokenizer({ added_tokens: [null] })).rejects.toThrow(/LLMP6101: .*null/);
  const post_processor = { type: "TemplateProcessing", single: [1], pair: [], special_tokens: {} };
  await expect(tokenizer({ post_processor })).rejects.toThrow(/LLMP6101/);
});

it("a tokenizer.json whose text and ids have no token, which came out as `undefined`", async () => {
  // With a type that no model has, the library looks words up whole; BPE by itself leaves out what it does not know.
  const decoder = { type: "Sequence", decoders: [{ type: "ByteFallback" }, { type: "Fuse" }] };
  for (const type of ["a\u0000b", "BPE"]) {
    const read = await tokenizer({ decoder, model: { type, vocab: { a: 1, b: 2, "<0x61>": 5 }, merges: [] } });
    expect([...read.encode("é")]).toEqual([]);
    expect(read.decode([0, 1, 4, 2, 100])).toBe("ab");
    expect(read.decode([0])).toBe("");
  }
});

it("a tokenizer.json whose decoder fails at the tokens of a later text only", async () => {
  const decoder = { type: "WordPiece", prefix: { toString: 0, valueOf: 0 }, cleanup: false };
  const read = await tokenizer({ decoder });
  expect(read.decode([0])).toBe("a");
  expect(() => read.decode([0, 0])).toThrow(/LLMP6101/);
});

it("a chat template that fails at a conversation says so by its code", () => {
  const chatTemplate = "{{ raise_exception('only one turn') }}";
  const renderer = chatRenderer({ chatTemplate, decode: () => "" } as never);
  expect(() => renderer.render([{ role: "user", content: "hi" }])).toThrow(/LLMP6102: .*only one turn/);
});

it("a calibration whose stacks are not objects", () => {
  expect(readCalibration('{"schema":"llmp.calibration/1","stacks":[null]}')).toEqual({
    problem: "stack 1 is not an object",
  });
});

it("a plan file that is damaged says where", () => {
  const [seed] = targets.find((t) => t.name === "plan file")?.seeds ?? [];
  const whole = JSON.parse(new TextDecoder().decode(seed)) as { stages: object[]; pipeline: object };
  const problem = (value: unknown): string => {
    const read = planOf(JSON.stringify(value));
    return "problem" in read ? read.problem : "";
  };
  expect(problem(whole)).toBe("");
  // A later minor version may add what this one does not know.
  expect(problem({ ...whole, schema: "llmp.plan/1.7", mood: "good" })).toBe("");
  expect(problem(null)).toBe("is not a plan");
  expect(problem({ ...whole, schema: "llmp.plan/2.0" })).toContain("another version (llmp.plan/2.0)");
  expect(problem({ ...whole, stages: [{}] })).toMatch(/is not a plan: stages\[0\]\.\w+ is missing/);
  expect(problem({ ...whole, stages: [{ ...whole.stages[0], steps: "many" }] })).toBe(
    "is not a plan: stages[0].steps is not a number",
  );
  // JSON has no infinity, but numbers that are read as one; products of large ones are infinite too.
  const infinite = planOf(JSON.stringify(whole).replace(/"global_batch":\d+/, '"global_batch":1e999'));
  expect(infinite).toMatchObject({
    problem: "is not a plan: stages[0].global_batch is Infinity, which is no sensible number",
  });
  expect(problem({ ...whole, mood: [{ deep: -1e308 }] })).toContain("mood[0].deep is -1e+308");
  const damaged = JSON.parse(JSON.stringify(whole)) as {
    pipeline: { models: Record<string, { architecture: { value: string } }> };
  };
  for (const value of ["mistr`l", "constructor"]) {
    for (const model of Object.values(damaged.pipeline.models)) model.architecture.value = value;
    expect(problem(damaged)).toContain(`has the architecture ${JSON.stringify(value)}, which is none of gpt2, llama`);
  }
  expect(problem({ ...whole, outcome: "fine" })).toContain("outcome is none of");
  expect(problem({ ...whole, pipeline: { ...whole.pipeline, models: {} } })).toMatch(
    /stages\[0\] names model "\w+", which its pipeline lacks/,
  );
  expect(problem({ ...whole, stages: [{ ...whole.stages[0], name: "other" }] })).toContain("its pipeline lacks stage");
});

it("YAML with tags and directives of others does not speak on stderr", () => {
  const said = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
  const host = { models: [], config: () => undefined };
  for (const importer of importers)
    importConfig(importer, { path: "x.yml", text: "%odd 1\n---\nbase_model: !mine x\n" }, host);
  expect(said).not.toHaveBeenCalled();
  said.mockRestore();
});
