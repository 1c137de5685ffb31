import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildSync } from "esbuild";
import { afterAll, beforeAll, expect, it } from "vitest";
import { coordinatesOf, launch, rankOf } from "../../src/runtime/collectives/index.js";

const folder = mkdtempSync(join(tmpdir(), "llmp-collectives-"));
const file = join(folder, "worker.mjs");

beforeAll(() => {
  buildSync({
    entryPoints: ["test/collectives/worker.ts"],
    bundle: true,
    platform: "node",
    format: "esm",
    outfile: file,
  });
});
afterAll(() => rmSync(folder, { recursive: true }));

const degrees = { pipeline: 1, data: 2, context: 1, tensor: 2, expert: 2, shard: "zero3", shard_group: 2 } as const;

interface Result {
  at: { data: number; tensor: number };
  sum: number[];
  max: number[];
  scattered: number[];
  gathered: number[];
  exchanged: number[][];
  broadcast: number[];
  neighbours: number[];
}

it("computes every collective on four worker threads", async () => {
  const results: Result[] = [];
  const team = launch({
    file,
    size: 4,
    data: () => ({ ...degrees, fail: -1 }),
    onMessage: ({ rank, message }) => {
      results[rank] = message as Result;
    },
  });
  await team.done;
  const sum = Array.from({ length: 7 }, (_, i) => 60 + 4 * i);
  expect(results.map((r) => r.sum)).toEqual([sum, sum, sum, sum]);
  expect(results[0]?.max).toEqual(Array.from({ length: 7 }, (_, i) => 30 + i));
  expect(results.flatMap((r) => r.scattered)).toEqual(sum);
  expect(results[3]?.gathered).toEqual([20, 30, 31]);
  expect(results.map((r) => r.broadcast[0])).toEqual([0, 10, 0, 10]);
  // Rank 1's expert group is the two data ranks at tensor 1.
  expect(results[1]?.exchanged).toEqual([
    [1, 1],
    [3, 1],
  ]);
  expect(results.map((r) => r.neighbours)).toEqual([
    [3, 1],
    [0, 2],
    [1, 3],
    [2, 0],
  ]);
});

it("ends every rank and reports the cause when one fails", async () => {
  const team = launch({ file, size: 4, data: () => ({ ...degrees, fail: 2 }) });
  await expect(team.done).rejects.toThrow("deliberate failure");
});

it("maps ranks to coordinates and back", () => {
  const d = { pipeline: 3, data: 2, context: 2, tensor: 4, expert: 1, shard: "none", shard_group: 1 } as const;
  for (let rank = 0; rank < 48; rank++) expect(rankOf(coordinatesOf(rank, d), d)).toBe(rank);
});
