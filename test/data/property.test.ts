import fc from "fast-check";
import { expect, test } from "vitest";
import { globRegExp } from "../../src/runtime/data/glob.js";
import { lines, textPieces } from "../../src/runtime/data/lines.js";
import { MixCursor } from "../../src/runtime/data/mix.js";
import { permuted } from "../../src/runtime/data/order.js";
import { column, dataset, folder, openTest } from "./helpers.js";

const known = <T>(value: T) => ({ value, from: "file" as const });

/** Bytes in chunks cut anywhere. */
async function* chunks(bytes: Uint8Array, cuts: readonly number[]): AsyncIterable<Uint8Array> {
  const at = [...cuts.map((c) => c % (bytes.length + 1)), 0, bytes.length].sort((a, b) => a - b);
  for (let i = 1; i < at.length; i++) yield bytes.subarray(at[i - 1], at[i]);
}

test("a permutation hits everything once, and differs by seed and epoch", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 700 }), fc.integer(), fc.nat(50), (n, seed, epoch) => {
      const all = Array.from({ length: n }, (_, i) => permuted(i, n, seed, epoch));
      expect(new Set(all).size).toBe(n);
      expect(Math.max(...all)).toBe(n - 1);
    }),
    { numRuns: 60 },
  );
  const at = (seed: number, epoch: number) => Array.from({ length: 50 }, (_, i) => permuted(i, 50, seed, epoch)).join();
  expect(new Set([at(1, 0), at(1, 1), at(2, 0), at(2, 1)]).size).toBe(4);
});

test("a permutation leaves no order: neighbours and places are independent", () => {
  const n = 1000;
  const counts = new Array(100).fill(0) as number[];
  for (let seed = 0; seed < 200; seed++)
    for (const i of [0, 1, 500, 999]) {
      const cell = Math.floor(permuted(i, n, seed, 0) / 10);
      counts[cell] = (counts[cell] ?? 0) + 1;
    }
  // Chi-squared with 99 degrees of freedom: 99.9% below 149.
  expect(counts.reduce((sum, c) => sum + (c - 8) ** 2 / 8, 0)).toBeLessThan(149);
});

test("lines and text are the same however the bytes are cut", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ unit: "grapheme", maxLength: 12 })),
      fc.constantFrom("\n", "\r\n"),
      fc.array(fc.nat()),
      async (parts, end, cuts) => {
        const texts = parts.map((p) => p.replace(/[\r\n]/g, ""));
        const bytes = Buffer.from(texts.join(end));
        const got: string[] = [];
        for await (const line of lines(chunks(bytes, cuts))) got.push(Buffer.from(line.bytes).toString());
        if (got.length < texts.length) got.push("");
        expect(got).toEqual(texts.length === 0 ? got : texts);
        let whole = "";
        for await (const piece of textPieces(chunks(bytes, cuts), 8)) whole += piece;
        expect(whole).toBe(bytes.toString().replace(/^\uFEFF/, ""));
      },
    ),
    { numRuns: 150 },
  );
});

test("any mix is within one item of its weights at every point of every phase", () => {
  const weights = fc
    .array(fc.integer({ min: 0, max: 20 }), { minLength: 2, maxLength: 6 })
    .filter((w) => w.some((x) => x > 0));
  fc.assert(
    fc.property(weights, weights, fc.double({ min: 0.05, max: 0.95, noNaN: true }), (first, second, from) => {
      const share = (w: number[]) => Object.fromEntries(w.map((x, i) => [`d${i}`, x / w.reduce((a, b) => a + b, 0)]));
      const phases = [
        { from: 0, weights: share(first) },
        { from, weights: share(second) },
      ];
      const cursor = new MixCursor({ name: "m", unit: known("tokens"), phases });
      const taken = cursor.names.map(() => 0);
      const wanted = cursor.names.map(() => 0);
      for (let n = 0; n < 400; n++) {
        const d = cursor.choose(n / 400);
        expect(cursor.weightsAt(n / 400)[d]).toBeGreaterThan(0);
        cursor.take(d, 1, n / 400);
        taken[d] = (taken[d] ?? 0) + 1;
        cursor.weightsAt(n / 400).forEach((w, i) => {
          wanted[i] = (wanted[i] ?? 0) + w;
        });
        // With k datasets, one that is behind may have to wait for the k − 1 others that are further behind.
        for (const [i, t] of taken.entries())
          expect(Math.abs(t - (wanted[i] ?? 0))).toBeLessThan(Math.max(1.01, cursor.names.length / 2));
      }
    }),
    { numRuns: 60 },
  );
});

test("every document of every dataset comes exactly once an epoch, whatever the packing; any row can be found first", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 2, maxLength: 40 }),
      fc.integer(),
      fc.boolean(),
      async (sizes, seed, packing) => {
        const rows = sizes.map((n, i) => ({ prompt: `${i}:`, completion: "x".repeat(n) }));
        const root = folder({ "d.jsonl": rows.map((r) => JSON.stringify(r)).join("\n") });
        const options = {
          root,
          datasets: [dataset("d", "d.jsonl")],
          objective: "sft",
          options: { trainOnPrompt: column(false) },
          length: 40,
          seed,
          packing,
          steps: 100,
        };
        const { source } = await openTest(options);
        const order: number[] = [];
        for (let row = 0; order.length < 3 * sizes.length; row++) {
          const { pieces } = source.planner.row(row);
          expect(pieces.reduce((n, p) => n + p.end - p.start - 1, 0)).toBeLessThanOrEqual(40);
          order.push(...pieces.map((p) => p.document));
        }
        const counts = new Map<number, number>();
        for (const document of order) counts.set(document, (counts.get(document) ?? 0) + 1);
        // Documents may wait in the look-ahead, so an epoch's end is blurred by its size.
        expect(counts.size).toBe(sizes.length);
        for (const count of counts.values())
          expect(Math.abs(count - 3)).toBeLessThanOrEqual(packing ? 2 + Math.ceil(16 / sizes.length) : 0);
        const late = source.planner.row(17);
        const { source: again } = await openTest(options);
        expect(again.planner.row(17)).toEqual(late);
        source.planner.row(3);
        expect(source.planner.row(17)).toEqual(late);
        await source.close();
        await again.close();
      },
    ),
    { numRuns: 25 },
  );
}, 60_000);

test("globs", () => {
  const yes: [string, string][] = [
    ["*.txt", "a.txt"],
    ["**/*.txt", "a.txt"],
    ["**/*.txt", "x/y/a.txt"],
    ["a?.{txt,md}", "ab.md"],
    ["[a-c]*", "b1"],
    ["[!a]*", "b"],
    ["x/**", "x/y/z"],
    ["a+b.txt", "a+b.txt"],
  ];
  const no: [string, string][] = [
    ["*.txt", "x/a.txt"],
    ["a?.txt", "a.txt"],
    ["[!a]*", "a"],
    ["a.txt", "abtxt"],
  ];
  for (const [pattern, path] of yes) expect(globRegExp(pattern).test(path), `${pattern} ${path}`).toBe(true);
  for (const [pattern, path] of no) expect(globRegExp(pattern).test(path), `${pattern} ${path}`).toBe(false);
});
