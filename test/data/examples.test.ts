import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";

test("the generated data of the examples is what its script writes", () => {
  const root = join(import.meta.dirname, "../..");
  const folder = mkdtempSync(join(tmpdir(), "llmp-examples-"));
  execFileSync(process.execPath, [join(root, "scripts/make-example-data.mjs"), folder]);
  const files = readdirSync(folder);
  expect(files.sort()).toEqual([
    "comparison-exam.jsonl",
    "comparison-questions.jsonl",
    "comparisons.jsonl",
    "exam.jsonl",
    "preferences.jsonl",
    "quiz.jsonl",
    "sums.jsonl",
  ]);
  for (const file of files)
    expect(readFileSync(join(folder, file), "utf8"), file).toBe(
      readFileSync(join(root, "examples/data", file), "utf8"),
    );
});
