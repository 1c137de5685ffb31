import { describe, expect, test } from "vitest";
import { byteTokenizer } from "../../src/runtime/tokenizer/index.js";
import { column, dataset, folder, openTest } from "./helpers.js";

const text = (letter: string, words: number) => Array.from({ length: words }, (_, i) => `${letter}${i}`).join(" ");
const rowText = (tokens: Int32Array, length: number, row: number) =>
  byteTokenizer().decode(tokens.subarray(row * length, (row + 1) * length));

describe("running text", () => {
  const root = folder({
    "a.txt": text("a", 400),
    "b.txt": text("b", 300),
    "c/x.txt": text("c", 200),
    "c/y.txt": text("d", 150),
  });

  test("targets are the next tokens, and any step is found without the ones before", async () => {
    const { source } = await openTest({ root, datasets: [dataset("a", "a.txt")] });
    const inOrder = [];
    for (let step = 0; step < 40; step++) inOrder.push(await source.batch(step));
    for (const batch of inOrder)
      for (let i = 0; i < batch.tokens.length; i++)
        if (i % 16 !== 15 && batch.weights[i] === 1) expect(batch.targets[i]).toBe(batch.tokens[i + 1]);
    const { source: again } = await openTest({ root, datasets: [dataset("a", "a.txt")] });
    for (const step of [37, 3, 39, 0]) expect(await again.batch(step)).toEqual(inOrder[step]);
    const { source: other } = await openTest({ root, datasets: [dataset("a", "a.txt")], seed: 2 });
    expect((await other.batch(0)).tokens).not.toEqual(inOrder[0]?.tokens);
  });

  test("one epoch shows every token about once, each epoch in another order", async () => {
    const { source } = await openTest({ root, datasets: [dataset("c", "c/*.txt")], sequences: 1 });
    const per = source.planner.perEpoch(0);
    const seen = (from: number) => {
      const counts = new Map<number, number>();
      const order: number[] = [];
      for (let row = from; row < from + per; row++)
        for (const piece of source.planner.row(row).pieces) {
          order.push(piece.start);
          for (let t = piece.start; t < piece.end; t++) counts.set(t, (counts.get(t) ?? 0) + 1);
        }
      return { counts, order };
    };
    const total = source.train.c?.tokens ?? 0;
    const first = seen(0);
    // Less than one window is left out; a window's last target is the next one's first input.
    expect(first.counts.size).toBeGreaterThan(total - 16);
    expect(Math.max(...first.counts.values())).toBeLessThanOrEqual(2);
    expect(seen(per).order).not.toEqual(first.order);
  });

  test("packed documents are told apart: segments, positions, no target across", async () => {
    const { source } = await openTest({
      root,
      datasets: [dataset("c", "c/*.txt")],
      length: 256,
      sequences: 4,
      steps: 8,
    });
    let borders = 0;
    for (let step = 0; step < 8; step++) {
      const batch = await source.batch(step);
      if (batch.segments === undefined || batch.positions === undefined) continue;
      for (let i = 1; i < batch.tokens.length; i++) {
        if (i % 256 === 0) continue;
        if (batch.segments[i] === batch.segments[i - 1])
          expect(batch.positions[i]).toBe((batch.positions[i - 1] ?? 0) + 1);
        else {
          borders++;
          expect(batch.positions[i]).toBe(0);
          expect(batch.weights[i - 1]).toBe(0);
        }
      }
    }
    expect(borders).toBeGreaterThan(3);
  });

  test("held-out text is never trained on and is the same every time", async () => {
    const d = dataset("a", "a.txt", { holdout: column(0.2) });
    const { source } = await openTest({ root, datasets: [d], steps: 200 });
    const view = source.train.a;
    const held = source.held.a;
    expect((held?.tokens ?? 0) / ((view?.tokens ?? 0) + (held?.tokens ?? 0))).toBeCloseTo(0.2, 2);
    for (let row = 0; row < 400; row++)
      for (const piece of source.planner.row(row).pieces) expect(piece.end).toBeLessThanOrEqual(held?.starts[0] ?? 0);
    const batches = (await source.holdout(6)).a ?? [];
    expect(batches.map((b) => b.sequences)).toEqual([4, 2]);
    const first = rowText(batches[0]?.tokens ?? new Int32Array(), 16, 0);
    expect(text("a", 400)).toContain(first);
    const second = rowText(batches[0]?.tokens ?? new Int32Array(), 16, 1);
    expect(text("a", 400)).toContain(first + second);
  });
});

describe("mixes", () => {
  const root = folder({ "a.txt": text("a", 500), "b.txt": text("b", 500), "c.txt": text("c", 500) });
  const datasets = ["a", "b", "c"].map((n) => dataset(n, `${n}.txt`));

  test("exact to one window at every step, in every phase", async () => {
    const phases = [
      { from: 0, weights: { a: 0.7, b: 0.25, c: 0.05 } },
      { from: 0.9, weights: { a: 0.1, b: 0.3, c: 0.6 } },
    ];
    const { source } = await openTest({ root, datasets, phases, sequences: 5, steps: 200 });
    const counts = [0, 0, 0];
    const want = [0, 0, 0];
    for (let row = 0; row < 1000; row++) {
      const { dataset: d } = source.planner.row(row);
      counts[d] = (counts[d] ?? 0) + 1;
      const weights = row < 900 ? [0.7, 0.25, 0.05] : [0.1, 0.3, 0.6];
      weights.forEach((w, i) => {
        want[i] = (want[i] ?? 0) + w;
      });
      for (let i = 0; i < 3; i++) expect(Math.abs((counts[i] ?? 0) - (want[i] ?? 0))).toBeLessThan(1.01);
    }
    expect(counts).toEqual([640, 255, 105]);
  });

  test("a weight of nothing gives nothing", async () => {
    const phases = [{ from: 0, weights: { a: 1, b: 0, c: 0 } }];
    const { source } = await openTest({ root, datasets, phases });
    for (let row = 0; row < 100; row++) expect(source.planner.row(row).dataset).toBe(0);
  });

  test("weights of documents become those of tokens by the documents' mean size", async () => {
    const jsonl = (size: number) =>
      Array.from({ length: 50 }, () => JSON.stringify({ text: "x".repeat(size) })).join("\n");
    const at = folder({ "s.jsonl": jsonl(19), "l.jsonl": jsonl(59) });
    const { source } = await openTest({
      root: at,
      datasets: [dataset("s", "s.jsonl"), dataset("l", "l.jsonl")],
      unit: "documents",
      steps: 100,
    });
    const rows = Array.from({ length: 400 }, (_, i) => source.planner.row(i).dataset);
    expect(rows.filter((d) => d === 1)).toHaveLength(300);
  });
});

describe("completions", () => {
  const rows = Array.from({ length: 40 }, (_, i) => ({ prompt: `${i}+${i}=`, completion: `${2 * i}` }));
  const root = folder({ "sums.jsonl": rows.map((r) => JSON.stringify(r)).join("\n") });
  const options = { trainOnPrompt: column(false) };

  const learned = (batch: { tokens: Int32Array; targets: Int32Array; weights: Float32Array }) =>
    byteTokenizer().decode([...batch.targets].filter((_, i) => batch.weights[i] === 1));

  test("only the completion and the end are learned; every row is used once an epoch", async () => {
    const { source } = await openTest({
      root,
      datasets: [dataset("sums", "sums.jsonl")],
      objective: "sft",
      options,
      packing: false,
      sequences: 40,
      steps: 1,
    });
    const batch = await source.batch(0);
    expect(learned(batch).split("<|endoftext|>").filter(Boolean).sort()).toEqual(rows.map((r) => r.completion).sort());
    expect(batch.segments).toBeUndefined();
  });

  test("packing keeps documents apart, wastes little and loses nothing", async () => {
    const { source } = await openTest({
      root,
      datasets: [dataset("sums", "sums.jsonl")],
      objective: "sft",
      options,
      length: 32,
      sequences: 1,
      steps: 60,
    });
    const said: string[] = [];
    let used = 0;
    for (let step = 0; step < 12; step++) {
      const batch = await source.batch(step);
      said.push(...learned(batch).split("<|endoftext|>").filter(Boolean));
      used += [...batch.tokens].filter((t) => t !== 259).length;
      const segments = batch.segments ?? new Int32Array(32);
      for (let i = 1; i < 32; i++) if (segments[i] !== segments[i - 1]) expect(batch.positions?.[i]).toBe(0);
    }
    expect(used / (12 * 32)).toBeGreaterThan(0.9);
    expect(new Set(said).size).toBeGreaterThan(35);
  });

  test("running text in the mix becomes samples of a row's length: nothing is cut off", async () => {
    const long = Array.from({ length: 300 }, (_, i) => `w${i}`).join(" ");
    const at = folder({ "t.jsonl": JSON.stringify({ text: long }), "s.jsonl": JSON.stringify(rows[0]) });
    const datasets = [dataset("t", "t.jsonl"), dataset("s", "s.jsonl")];
    const { source } = await openTest({
      root: at,
      datasets,
      objective: "sft",
      options,
      packing: false,
      sequences: 1,
      steps: 400,
    });
    const view = source.train.t;
    const targets = Array.from(
      { length: view?.count ?? 0 },
      (_, i) => (view?.ends[i] ?? 0) - (view?.starts[i] ?? 0) - 1,
    );
    expect(Math.max(...targets)).toBe(16);
    // Every token but the very first is a target once; the end of text counts as a token.
    expect(targets.reduce((a, b) => a + b, 0)).toBe(long.length);
    expect(learned(await source.batch(1)).length).toBeGreaterThan(0);
  });

  test("chats learn what the assistant says", async () => {
    const messages = [
      { role: "user", content: "hi" },
      { role: "assistant", content: "hello" },
    ];
    const at = folder({ "chat.jsonl": JSON.stringify({ messages }) });
    const { source } = await openTest({
      root: at,
      datasets: [dataset("chat", "chat.jsonl")],
      objective: "sft",
      options,
      length: 64,
      sequences: 1,
      packing: false,
    });
    expect(learned(await source.batch(0))).toBe("hello<|im_end|>\n");
  });
});

describe("preferences and prompts", () => {
  test("pairs are neighbours, the prompt is not learned", async () => {
    const rows = Array.from({ length: 9 }, (_, i) => ({ prompt: `q${i}:`, chosen: `good${i}`, rejected: `bad${i}` }));
    const root = folder({ "p.jsonl": rows.map((r) => JSON.stringify(r)).join("\n") });
    const { source } = await openTest({
      root,
      datasets: [dataset("p", "p.jsonl")],
      objective: "dpo",
      sequences: 9,
      steps: 2,
    });
    const batch = await source.batch(0);
    expect(batch.sequences).toBe(18);
    for (let pair = 0; pair < 9; pair++) {
      const [chosen, rejected] = [0, 1].map((side) =>
        rowText(batch.tokens, 16, 2 * pair + side).replaceAll("<|pad|>", ""),
      );
      expect(chosen?.replace("good", "bad")).toBe(rejected);
      expect([...batch.weights.subarray(2 * pair * 16, 2 * pair * 16 + 2)]).toEqual([0, 0]);
    }
  });

  test("prompts carry their answers", async () => {
    const rows = Array.from({ length: 5 }, (_, i) => ({ question: `${i}+1=`, answer: i + 1 }));
    const root = folder({ "p.jsonl": rows.map((r) => JSON.stringify(r)).join("\n") });
    const { source } = await openTest({
      root,
      datasets: [dataset("p", "p.jsonl")],
      objective: "grpo",
      sequences: 5,
      steps: 1,
    });
    const batch = await source.batch(0);
    for (let row = 0; row < 5; row++) {
      const prompt = byteTokenizer().decode(
        batch.tokens.subarray(row * 16, row * 16 + (batch.promptLengths?.[row] ?? 0)),
      );
      expect(Number.parseInt(prompt, 10) + 1).toBe(Number(batch.answers?.[row]));
    }
  });
});
