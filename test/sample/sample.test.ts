import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  evaluateTask,
  generate,
  type LanguageModel,
  perplexity,
  pick,
  readTask,
  uniform,
} from "../../src/runtime/sample/index.js";
import { byteTokenizer } from "../../src/runtime/tokenizer/index.js";

const tokenizer = byteTokenizer();
/** Always says the next letter of `text` after what it saw, with the given confidence. */
function parrot(text: string, logit = 8): LanguageModel {
  const bytes = [...tokenizer.encode(text), 256];
  const logits = (last: number) => {
    const out = new Float32Array(260);
    out[bytes[bytes.indexOf(last) + 1] ?? 256] = logit;
    return out;
  };
  return {
    vocab: 260,
    contextLength: 8,
    next: async (tokens) => logits(tokens[tokens.length - 1] ?? 0),
    logProbs: async ({ tokens, targets }) =>
      Float32Array.from(tokens, (t, i) => {
        const row = logits(t);
        const sum = row.reduce((a, l) => a + Math.exp(l), 0);
        return (row[targets[i] ?? 0] ?? 0) - Math.log(sum);
      }),
    close: async () => {},
  };
}

test("draws follow the probabilities, within top-k and top-p", () => {
  const logits = Float32Array.from([Math.log(0.5), Math.log(0.3), Math.log(0.15), Math.log(0.05)]);
  const shares = (options: Partial<Parameters<typeof pick>[1]>) => {
    const random = uniform(3);
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 20_000; i++) {
      const id = pick(logits, { temperature: 1, topK: 0, topP: 1, ...options }, random);
      counts[id] = (counts[id] ?? 0) + 1;
    }
    return counts.map((c) => c / 20_000);
  };
  const near = (got: number[], want: number[]) => got.forEach((g, i) => void expect(g).toBeCloseTo(want[i] ?? 0, 1.7));
  near(shares({}), [0.5, 0.3, 0.15, 0.05]);
  near(shares({ topK: 2 }), [0.625, 0.375, 0, 0]);
  near(shares({ topP: 0.75 }), [0.625, 0.375, 0, 0]);
  near(shares({ topP: 0.81 }), [0.526, 0.316, 0.158, 0]);
  near(shares({ temperature: 0.5 }), [0.685, 0.247, 0.062, 0.007]);
  expect(shares({ temperature: 0 })).toEqual([1, 0, 0, 0]);
  expect(shares({ topP: 0 })).toEqual([1, 0, 0, 0]);
});

test("generation streams whole characters, stops at the end, repeats with its seed", async () => {
  const options = { temperature: 0, topK: 0, topP: 1, seed: 1, tokens: 100 };
  const pieces: string[] = [];
  const said = await generate(parrot("a東京!"), tokenizer, "a", options, (t) => pieces.push(t));
  expect(said).toMatchObject({ text: "東京!", stopped: "end" });
  expect(pieces).toEqual(["東", "京", "!"]);
  expect(await generate(parrot("ab"), tokenizer, "a", { ...options, tokens: 1 })).toMatchObject({
    text: "b",
    stopped: "length",
  });
  const warm = { ...options, temperature: 1, tokens: 12 };
  const once = await generate(parrot("ab", 1), tokenizer, "", warm);
  expect((await generate(parrot("ab", 1), tokenizer, "", warm)).ids).toEqual(once.ids);
  expect((await generate(parrot("ab", 1), tokenizer, "", { ...warm, seed: 2 })).ids).not.toEqual(once.ids);
});

test("perplexity counts what has weight", async () => {
  const tokens = tokenizer.encode("abc");
  const targets = Int32Array.from([98, 99, 65]);
  const model = parrot("abc", 0);
  const batch = { sequences: 1, length: 3, tokens, targets, weights: Float32Array.from([1, 1, 0]) };
  expect((await perplexity(model, [batch])).perplexity).toBeCloseTo(260, 3);
  const sure = await perplexity(parrot("abc"), [batch]);
  expect(sure.perplexity).toBeCloseTo((Math.exp(8) + 259) / Math.exp(8), 4);
  expect(sure.tokens).toBe(2);
});

test("tasks from JSON lines", async () => {
  const file = join(mkdtempSync(join(tmpdir(), "llmp-eval-")), "task.jsonl");
  const rows = [
    { prompt: "a", choices: ["x", "b", "bz"], answer: 1 },
    { prompt: "b", choices: ["c", "a"], answer: "a" },
  ];
  writeFileSync(file, rows.map((r) => JSON.stringify(r)).join("\n"));
  const result = await evaluateTask(parrot("abc"), tokenizer, readTask(file), { maxTokens: 4 });
  expect(result).toMatchObject({ rows: 2, correct: 1, accuracy: 0.5 });
  writeFileSync(file, '{"question":"a","answer":"bc"}\n{"prompt":"b","answer":"no"}\n');
  expect(await evaluateTask(parrot("abc"), tokenizer, readTask(file), { maxTokens: 4 })).toMatchObject({
    rows: 2,
    correct: 1,
  });
  writeFileSync(file, '\n{"prompt":"a","choices":["b"],"answer":0}\n');
  expect(() => readTask(file)).toThrow(/LLMP6403.*task.jsonl:2/);
});
