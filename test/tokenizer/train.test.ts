import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { jsonTokenizer, trainBpe, WordCounter } from "../../src/runtime/tokenizer/index.js";

const text = readFileSync(join(import.meta.dirname, "../../examples/data/shakespeare.txt"), "utf8").slice(0, 200_000);

test("trained BPE has the merges of Python's trainer, in order", async () => {
  const counter = new WordCounter();
  counter.add(text);
  const json = trainBpe(counter, { vocab: 1024 });
  const merges = JSON.parse(readFileSync(join(import.meta.dirname, "fixtures/bpe_trained.json"), "utf8")) as [
    string,
    string,
  ][];
  expect(JSON.parse(json).model.merges).toEqual(merges);
  const tokenizer = await jsonTokenizer({ path: "tokenizer.json", json });
  expect(tokenizer.vocab).toBe(1024);
  const ids = tokenizer.encode(`${text.slice(0, 5000)}<|endoftext|>`);
  expect(tokenizer.decode(ids)).toBe(`${text.slice(0, 5000)}<|endoftext|>`);
  expect(ids.at(-1)).toBe(tokenizer.endOfText);
  expect(ids.length).toBeLessThan(5000 / 2);
});

test("a text with few pairs gives fewer tokens, never wrong ones", () => {
  const counter = new WordCounter();
  counter.add("aaaa aaaa");
  const { merges } = JSON.parse(trainBpe(counter, { vocab: 1000 })).model;
  expect(merges).toEqual([
    ["a", "a"],
    ["aa", "aa"],
    ["Ġ", "aaaa"],
  ]);
});
