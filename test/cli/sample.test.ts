/** `llmp sample` and `llmp eval` on a run folder, with a model that says the alphabet. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { check } from "../../src/checker/index.js";
import { evalCommand } from "../../src/cli/commands/eval.js";
import { sampleCommand } from "../../src/cli/commands/sample.js";
import type { ModelGraph } from "../../src/model/graph.js";
import { parse } from "../../src/parser/index.js";
import { saveCheckpoint } from "../../src/runtime/checkpoint/index.js";
import type { LanguageModel, WeightStore } from "../../src/runtime/interfaces.js";

const file = `
tokenizer letters { kind = bytes }
dataset abc { source = "abc.txt", format = text, holdout = 50% }
model tiny { architecture = llama, layers = 2, hidden = 16, heads = 4, kv_heads = 4, ffn = 24, vocab = 264, context_length = 16 }
train base { objective = pretrain, model = tiny, data = abc, steps = 10, batch = 2 sequences, precision = fp32 }
`;
let said = "";
let cwd = "";
let opened: WeightStore | undefined;

vi.mock("node:fs", async (original) => {
  const fs = await original<typeof import("node:fs")>();
  return {
    ...fs,
    writeSync: (fd: number, data: Uint8Array, ...rest: number[]) => {
      if (fd > 2) return (fs.writeSync as (...a: unknown[]) => number)(fd, data, ...rest);
      if (fd === 1) said += Buffer.from(data).toString("utf8");
      return data.length;
    },
  };
});

/** After `a` comes `b`, … with a logit of 10 of 264. */
const alphabet: LanguageModel = {
  vocab: 264,
  contextLength: 16,
  next: async (tokens) => {
    const out = new Float32Array(264);
    out[(tokens.at(-1) ?? 0) + 1] = 10;
    return out;
  },
  logProbs: async ({ tokens, targets }) =>
    Float32Array.from(tokens, (t, i) => (targets[i] === t + 1 ? 10 : 0) - Math.log(Math.exp(10) + 263)),
  close: async () => {},
};
const embedding = {
  name: "model.embed_tokens.weight",
  shape: [64, 16],
  split: {},
  trainable: true,
  decay: true,
  init: { kind: "zeros" as const },
  copies: 1,
};
const graph = {
  kinds: { embedding: { id: "embedding", ops: [], tensors: {}, weights: { embedding }, input: "", output: "" } },
  stack: ["embedding"],
} as unknown as ModelGraph;
const needs = async () => ({
  buildGraph: () => graph,
  open: async ({ weights }: { weights: WeightStore }) => {
    opened = weights;
    return alphabet;
  },
});

async function run(command: Command, ...args: string[]): Promise<string> {
  said = "";
  await command.exitOverride().parseAsync(args, { from: "user" });
  return said;
}

beforeEach(() => {
  cwd = process.cwd();
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    said += String(text);
    return true;
  });
  const root = mkdtempSync(join(tmpdir(), "llmp-sample-"));
  process.chdir(root);
  writeFileSync("abc.txt", "abcdefghijklmnopqrstuvwxyz".repeat(20));
  const { value } = parse({ path: "main.llmp", text: file });
  const checked = check(value as NonNullable<typeof value>, { read: () => undefined });
  expect(checked.diagnostics.filter((d) => d.severity === "error")).toEqual([]);
  mkdirSync("runs/main/base/final", { recursive: true });
  writeFileSync(
    "runs/main/plan.json",
    JSON.stringify({ hash: "h", pipeline: checked.value, stages: [{ name: "base", steps: 10 }] }),
  );
  cpSync(
    join(import.meta.dirname, "..", "weights", "fixtures", "llama2", "model.safetensors"),
    "runs/main/base/final/model.safetensors",
  );
});
afterEach(() => {
  vi.restoreAllMocks();
  process.chdir(cwd);
});

test("sample continues a prompt with the run's weights", async () => {
  expect(await run(sampleCommand(needs), "main", "-p", "ab", "-n", "4", "-t", "0")).toBe("abcdef\n");
  expect((await opened?.read("model.embed_tokens.weight"))?.shape).toEqual([64, 16]);
  const json = JSON.parse(
    await run(sampleCommand(needs), "-p", "x", "-n", "2", "--top-k", "1", "--samples", "2", "--json"),
  );
  expect(json).toMatchObject({ run: "main", stage: "base", samples: [{ text: "yz", tokens: 2 }, { text: "yz" }] });
  await expect(run(sampleCommand(needs), "-t", "-1")).rejects.toThrow(/--temperature/);
});

test("sample falls back to the newest checkpoint, and says what is missing", async () => {
  rmSync("runs/main/base/final", { recursive: true });
  await expect(run(sampleCommand(needs), "main")).rejects.toThrow();
  const values = new Float32Array(64 * 16).fill(2);
  const tensors = [{ name: "weight/model.embed_tokens.weight", shape: [64, 16], values }];
  saveCheckpoint({ folder: "runs/main/base/checkpoints", planHash: "h" }, { step: 7, tokens: 1, scalars: {}, tensors });
  await run(sampleCommand(needs), "main", "-p", "a", "-n", "1");
  expect((await opened?.read("model.embed_tokens.weight"))?.values[0]).toBe(2);
});

test("eval: perplexity on what was held out, and tasks", async () => {
  writeFileSync("task.jsonl", '{"prompt":"a","choices":["c","bc"],"answer":1}\n{"prompt":"x","answer":"yz{"}\n');
  const json = JSON.parse(await run(evalCommand(needs), "main", "--task", "task.jsonl", "-n", "3", "--json"));
  const sure = -10 + Math.log(Math.exp(10) + 263);
  // One letter in 26 follows a `z`, and the held-out half ends with the end of text.
  expect(json.datasets.abc.loss).toBeGreaterThan(sure + 10 / 30);
  expect(json.datasets.abc.loss).toBeLessThan(sure + 10 / 20);
  expect(json.tasks.task).toMatchObject({ rows: 2, correct: 2, accuracy: 1 });
  expect(await run(evalCommand(needs), "main")).toMatch(/held out +loss +perplexity +tokens\nabc /);
  await expect(run(evalCommand(needs), "--task", "nope.jsonl")).rejects.toThrow();
  expect(readFileSync("runs/main/plan.json", "utf8")).toContain("main.llmp");
});
