/** `llmp data` on the shipped examples. */
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { command } from "../../src/cli/commands/data.js";
import { jsonTokenizer } from "../../src/runtime/tokenizer/index.js";

let out = "";
let err = "";
let cwd = "";

vi.mock("node:fs", async (original) => {
  const fs = await original<typeof import("node:fs")>();
  return {
    ...fs,
    writeSync: (fd: number, data: Uint8Array, ...rest: number[]) => {
      if (fd > 2) return (fs.writeSync as (...a: unknown[]) => number)(fd, data, ...rest);
      if (fd === 1) out += Buffer.from(data).toString("utf8");
      else err += Buffer.from(data).toString("utf8");
      return data.length;
    },
  };
});

const data = async (...args: string[]): Promise<string> => {
  out = "";
  err = "";
  const made = command().exitOverride();
  for (const sub of made.commands) sub.exitOverride();
  await made.parseAsync(args, { from: "user" });
  return out;
};

beforeEach(() => {
  cwd = process.cwd();
  const root = mkdtempSync(join(tmpdir(), "llmp-data-cli-"));
  cpSync(join(import.meta.dirname, "../../examples"), root, {
    recursive: true,
    filter: (f) => !/\.llmp-cache|runs/.test(f),
  });
  process.chdir(root);
});
afterEach(() => process.chdir(cwd));

test("stats: what is there, and what the mix draws of it", async () => {
  const json = JSON.parse(await data("stats", "local-grpo.llmp", "--json"));
  expect(json.stages.map((s: { stage: string }) => s.stage)).toEqual(["answer", "reason"]);
  const [answer] = json.stages;
  expect(answer.datasets[0]).toMatchObject({ name: "comparisons", documents: 2000, bad_rows: 0 });
  expect(answer.tokens).toBe(answer.steps * answer.sequences * answer.context_length);
  expect(answer.phases[0].shares[0].tokens).toBe(answer.tokens);
  expect(await data("stats", "shakespeare.llmp")).toMatch(
    /stage speak: 300 steps of 16 sequences × 128 tokens = 614 k tokens[\s\S]*plays +1\.06 MiB +1 +1\.12 M +100%/,
  );
  await expect(data("stats", "shakespeare.llmp", "--stage", "no")).rejects.toThrow(/no stage no/);
});

test("preview marks what the loss counts", async () => {
  const text = await data("preview", "local-sft.llmp", "-n", "2");
  const answers = [...text.matchAll(/(\d) \+ (\d) =⟦ (\d+)<\|endoftext\|>⟧/g)];
  expect(answers.length).toBeGreaterThan(1);
  for (const [, a, b, sum] of answers) expect(Number(a) + Number(b)).toBe(Number(sum));
  const { rows } = JSON.parse(await data("preview", "local-grpo.llmp", "--stage", "reason", "--json"));
  expect(rows[0]).toMatchObject({ dataset: "questions", learned: 0, answer: expect.stringMatching(/^\d+$/) });
  await expect(data("preview", "local-sft.llmp", "-n", "0")).rejects.toThrow(/--rows/);
});

test("build makes the cache; a second time there is nothing to do", async () => {
  expect(await data("build", "local-dpo.llmp")).toMatch(
    /choices: [\d,. kM]+ tokens in 1,000 documents, \.llmp-cache\/choices-/,
  );
  expect(err).toMatch(/tokenised/);
  await data("build", "local-dpo.llmp");
  expect(err).not.toMatch(/tokenised/);
});

test("a missing file and bad rows end with a message and exit code 3", async () => {
  writeFileSync("data/sums.jsonl", `{"prompt":"1+1=","completion":"2"}\nnot json\n`);
  await expect(data("stats", "local-sft.llmp", "--bad-rows", "fatal")).rejects.toMatchObject({ code: 3 });
  expect(err).toMatch(/LLMP6105[\s\S]*data\/sums\.jsonl:2/);
});

test("a tokenizer is trained on the data", async () => {
  expect(
    await data("tokenizer", "shakespeare.llmp", "--vocab", "300", "-o", "new/tokenizer.json", "--limit", "0.1"),
  ).toMatch(/300 tokens/);
  const tokenizer = await jsonTokenizer({ path: "x", json: readFileSync("new/tokenizer.json", "utf8") });
  expect(tokenizer.encode(" the").length).toBeLessThan(3);
  await expect(data("tokenizer", "shakespeare.llmp", "--vocab", "10", "-o", "x.json")).rejects.toThrow(/--vocab/);
});
