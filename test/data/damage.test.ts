import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { parquetWriteBuffer } from "hyparquet-writer";
import { expect, test } from "vitest";
import { RunFailure } from "../../src/runtime/types.js";
import { dataset, folder, openTest } from "./helpers.js";

const rows = Array.from({ length: 40 }, (_, i) => `row ${i} ${"word ".repeat(i % 7)}`);
const jsonl = Buffer.from(rows.map((text) => JSON.stringify({ text })).join("\n"));
const files: [string, Uint8Array][] = [
  ["d.jsonl", jsonl],
  ["d.jsonl.gz", gzipSync(jsonl)],
  ["d.txt", jsonl],
  [
    "d.parquet",
    new Uint8Array(
      parquetWriteBuffer({ columnData: [{ name: "text", data: [...rows], type: "STRING" }], rowGroupSize: 9 }),
    ),
  ],
];

test.each(files)(
  "%s damaged anywhere: it is read, or a diagnostic says why not",
  async (name, whole) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        fc.option(fc.nat(whole.length)),
        async (edits, cut) => {
          const bytes = Buffer.from(whole);
          for (const [at, byte] of edits) bytes[at] = byte;
          const root = folder({});
          writeFileSync(join(root, name), cut === null ? bytes : bytes.subarray(0, cut));
          try {
            const { source } = await openTest({ root, datasets: [dataset("d", name)] });
            expect((await source.batch(0)).tokens.length).toBe(64);
            await source.close();
          } catch (error) {
            expect(error, String((error as Error).stack)).toBeInstanceOf(RunFailure);
          }
        },
      ),
      { numRuns: 60, seed: 11 },
    );
  },
  60_000,
);
