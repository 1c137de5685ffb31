import { beforeAll, describe, expect, it } from "vitest";
import type { ModelGraph } from "../../src/model/graph.js";
import { Decoder, makeState, microBatchStep, putBatch, ShapeAlgebra } from "../../src/program/index.js";
import { type Backend, startBackend } from "../../src/runtime/backend/index.js";
import { openRewards } from "../../src/runtime/rewards/index.js";
import { byteTokenizer } from "../../src/runtime/tokenizer/index.js";
import { answersOf, drawToken } from "../../src/runtime/train/generate.js";
import { initialValues } from "../../src/runtime/train/index.js";
import { openRollOut } from "../../src/runtime/train/rollout.js";
import { gpt2, llama } from "./graphs.js";

const tiny = { vocab: 37, hidden: 24, heads: 4, kvHeads: 2, ffn: 20, layers: 2 };
const models: Record<string, ModelGraph> = {
  "llama, sliding window and softcap": llama({ ...tiny, window: 5, cap: 3 }),
  gpt2: gpt2({ ...tiny, kvHeads: 4 }),
};
let backend: Backend;
beforeAll(async () => {
  backend = await startBackend("wasm");
});

describe.each(Object.entries(models))("%s", (_, graph) => {
  it("gives the logits of the whole sequence, token by token, and frees everything", () => {
    const { algebra, meter } = backend;
    const before = meter.bytes;
    const [sequences, length] = [3, 12];
    const state = makeState(algebra, graph, 16, (w) => initialValues(w, 3), false);
    const tokens = Int32Array.from({ length: sequences * length }, (_, i) => (i * 7 + Math.floor(i / length)) % 37);
    const decoder = new Decoder(algebra, state, sequences);
    const take = (from: number, to: number): Int32Array =>
      tokens.filter((_, i) => i % length >= from && i % length < to);
    const targets = Int32Array.from(tokens, (_, i) => (i % length === length - 1 ? 0 : tokens[i + 1]!));
    const batch = putBatch(algebra, {
      sequences,
      length,
      tokens,
      targets,
      weights: new Float32Array(tokens.length).fill(1),
    });
    const losses = microBatchStep(algebra, state, batch, [], undefined);
    const whole = algebra.read(losses);
    algebra.free(losses);
    batch.free();
    for (const [from, to] of [[0, 5], ...Array.from({ length: length - 5 }, (_, i) => [5 + i, 6 + i])] as [
      number,
      number,
    ][]) {
      const logits = decoder.step(take(from, to));
      const values = algebra.read(logits);
      algebra.free(logits);
      for (let s = 0; s < sequences; s++) {
        const row = values.subarray(s * 37, (s + 1) * 37);
        const at = s * length + to - 1;
        const top = Math.max(...row);
        const loss = Math.log(row.reduce((a, l) => a + Math.exp(l - top), 0)) + top - row[targets[at]!]!;
        expect(loss).toBeCloseTo(whole[at]!, 4);
      }
    }
    decoder.free();
    for (const t of [...state.weights.values()]) algebra.free(t);
    for (const { cos, sin } of state.rope.values()) for (const t of [cos, sin]) algebra.free(t);
    expect(meter.bytes).toBe(before);
  });
});

it("skipped tokens weigh as much as real ones", () => {
  const rates = { matmulFlops: 1, elementwiseBandwidth: 1, launchSeconds: 0, transcendentals: 1 };
  const peak = (skip: boolean): number => {
    const algebra = new ShapeAlgebra(rates);
    const state = makeState(algebra, llama(tiny), 64, () => new Float32Array(), false);
    const decoder = new Decoder(algebra, state, 2);
    algebra.free(decoder.step(new Int32Array(2 * 3)));
    if (skip) decoder.skip(19);
    else for (let i = 0; i < 19; i++) algebra.free(decoder.step(new Int32Array(2)));
    algebra.free(decoder.step(new Int32Array(2)));
    decoder.free();
    return algebra.peak;
  };
  expect(peak(true)).toBe(peak(false));
});

it("draws tokens by their probability", () => {
  const logits = Float32Array.from([1, 3, 2].map(Math.log));
  expect([0.1, 0.2, 0.6, 0.7, 0.99].map((u) => drawToken(logits, 1, u))).toEqual([0, 1, 1, 2, 2]);
  // At half the temperature the odds are squared: 1, 9, 4 of 14.
  expect([0.05, 0.1, 0.7, 0.75].map((u) => drawToken(logits, 0.5, u))).toEqual([0, 1, 1, 2]);
});

it("samples, judges and lays out rows; the same for any number of prompts at a time", async () => {
  const graph = llama({ ...tiny, vocab: 260 });
  const { algebra } = backend;
  const state = makeState(algebra, graph, 24, (w) => initialValues(w, 3), false);
  const tokenizer = byteTokenizer(260);
  const prompts = ["a", "bb", "c"].map((text) => tokenizer.encode(text));
  const length = 24;
  const tokens = new Int32Array(3 * length);
  for (const [i, p] of prompts.entries()) tokens.set(p, i * length);
  const given = {
    sequences: 3,
    length,
    tokens,
    targets: new Int32Array(3 * length),
    weights: new Float32Array(3 * length),
    promptLengths: Int32Array.from([1, 2, 1]),
    answers: ["x", "y", "z"],
  };
  const known = <T>(value: T) => ({ value, from: "file" as const });
  const options = { groupSize: known(4), maxCompletion: known(10) };
  const reward = { name: "short", kind: known("length"), weight: known(1) } as unknown as Parameters<
    typeof openRewards
  >[0][number];
  const judge = openRewards([reward], { root: ".", maxCompletion: 10 });
  const rolled = [];
  for (const at of [1, 3])
    rolled.push(
      await openRollOut({ tokenizer, judge, options, seed: 5, prompts: at })(
        async (asked) => answersOf(backend, state, asked),
        given,
        7,
      ),
    );
  const [one, three] = rolled;
  expect(three!.batch.tokens).toEqual(one!.batch.tokens);
  expect(three!.batch.advantages).toEqual(one!.batch.advantages);
  const { batch, figures } = one!;
  expect(batch.sequences).toBe(12);
  expect(figures.reward).toBe(figures.reward_short);
  for (let r = 0; r < 12; r++) {
    const row = (x: Int32Array | Float32Array) => [...x.subarray(r * length, (r + 1) * length)];
    const prompt = prompts[Math.floor(r / 4)]!;
    expect(row(batch.tokens).slice(0, prompt.length)).toEqual([...prompt]);
    const learned = row(batch.weights);
    const first = learned.indexOf(1);
    expect(first).toBe(prompt.length - 1);
    const count = learned.reduce((a, b) => a + b, 0);
    expect(count).toBeLessThanOrEqual(10);
    expect(learned.lastIndexOf(1)).toBe(first + count - 1);
    for (let i = first; i < first + count - 1; i++) expect(row(batch.targets)[i]).toBe(row(batch.tokens)[i + 1]);
  }
  for (const t of [...state.weights.values()]) algebra.free(t);
  for (const { cos, sin } of state.rope.values()) for (const t of [cos, sin]) algebra.free(t);
});
