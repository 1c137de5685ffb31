/** `llmp data build -o`: the rows, in the order, that the runtime trains on, in the engines' files. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { handOver } from "../../src/cli/data/hand-over.js";
import { emit } from "../../src/emit/index.js";
import type { Plan } from "../../src/planner/plan.js";
import { openSource } from "../../src/runtime/data/index.js";
import { loadTokenizer } from "../../src/runtime/tokenizer/index.js";
import { planOf } from "../emit/fixtures/examples.js";
import { writeToys } from "../engines/toys.js";

const root = mkdtempSync(join(tmpdir(), "llmp-hand-over-"));
beforeAll(() => writeToys(root));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const file = (train: string): Plan =>
  planOf(
    join(root, "toy.llmp"),
    `tokenizer letters { kind = bytes }
dataset text  { source = "data/text/text.jsonl", field = "text" }
dataset chat  { source = "data/chat/chat.jsonl", format = jsonl, prompt = "prompt", completion = "completion" }
dataset pairs { source = "data/pairs/pairs.jsonl", format = preference }
dataset sums  { source = "data/sums/sums.jsonl", format = prompts, prompt = "prompt", answer = "answer" }
reward exact { kind = exact_answer }
model tiny {
  architecture = llama
  layers = 2
  hidden = 32
  heads = 2
  kv_heads = 2
  ffn = 64
  vocab = 320
  context_length = 32
}
train go {
  model = tiny
  steps = 3
  batch = 4 sequences
  precision = fp32
  optimizer = adamw { lr = 1e-3, schedule = constant }
  ${train}
}
`,
  );

const lines = (folder: string, name: string): Record<string, unknown>[] =>
  readFileSync(join(folder, name), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

async function built(name: string, plan: Plan): Promise<string> {
  const folder = join(root, "rows", name);
  await handOver(plan, 0, { root, folder });
  return folder;
}

it("rows are the batches of the runtime; only what is learned is a target", async () => {
  const plan = file("objective = sft\n  data = chat\n  packing = true");
  const rows = lines(await built("sft", plan), "rows.jsonl") as { tokens: number[]; targets: number[] }[];
  const [stage] = plan.pipeline.stages;
  if (stage === undefined) throw new Error("no stage");
  const tokenizer = await loadTokenizer(plan.pipeline.tokenizers.letters, { folder: root, vocab: 320 });
  const request = { root, stage: "go", sequences: 4, length: 32, steps: 3, seed: stage.seed.value };
  const { source } = await openSource({ pipeline: plan.pipeline, stage, tokenizer, vocab: 320, request });
  expect(rows.length).toBe(12);
  for (let step = 0; step < 3; step++) {
    const batch = await source.batch(step);
    const mine = rows.slice(4 * step, 4 * step + 4);
    expect(mine.flatMap((r) => r.tokens)).toEqual([...batch.tokens]);
    expect(mine.flatMap((r) => r.targets.map((t) => (t === -100 ? 0 : 1)))).toEqual([...batch.weights]);
  }
  await source.close();
  expect(rows.some((r) => r.targets.includes(-100))).toBe(true);
});

it("pairs and prompts are written as ids and as text", async () => {
  const dpo = lines(await built("dpo", file("objective = dpo { beta = 0.1 }\n  data = pairs")), "pairs.jsonl");
  expect(dpo.length).toBe(12);
  const text = (ids: unknown): string => String.fromCharCode(...(ids as number[]).filter((id) => id < 256));
  expect(text(dpo[0]?.prompt_ids)).toBe("say: ");
  expect(text(dpo[0]?.rejected_ids)).toMatch(/^xx /);
  const grpo = lines(
    await built(
      "grpo",
      file("objective = grpo { group_size = 2, max_completion = 8 tokens, reward = exact }\n  data = sums"),
    ),
    "samples.jsonl",
  );
  expect(grpo[0]?.dataset).toBe("sums");
  expect(String(grpo[0]?.prompt)).toMatch(/^\d+\+\d+=$/);
  const [a = "", b = ""] = String(grpo[0]?.prompt).split(/[+=]/);
  expect(grpo[0]?.answer).toBe(String(Number(a) + Number(b)));
});

it("is not written again for the same plan, and leaves no half file", async () => {
  const plan = file("objective = pretrain\n  data = text");
  const folder = await built("pretrain", plan);
  const before = readFileSync(join(folder, "prepared.json"), "utf8");
  await built("pretrain", plan);
  expect(readFileSync(join(folder, "prepared.json"), "utf8")).toBe(before);
  expect(readdirSync(folder).sort()).toEqual(["prepared.json", "rows.jsonl", "tokenizer"]);
});

it("writes Megatron's indexed dataset, a row a document", async () => {
  const plain = file("objective = pretrain\n  data = text");
  const plan = { ...plain, stages: plain.stages.map((s) => ({ ...s, engine: "megatron" })) };
  const folder = await built("megatron", plan);
  const rows = lines(await built("plain", plain), "rows.jsonl") as { tokens: number[] }[];
  const index = readFileSync(join(folder, "phase-0_text_document.idx"));
  expect(index.subarray(0, 9).toString("latin1")).toBe("MMIDIDX\0\0");
  expect(index.length).toBe(34 + 12 * 4 + 12 * 8 + 13 * 8);
  expect([index.readUInt8(17), index.readBigUInt64LE(18), index.readBigUInt64LE(26)]).toEqual([4, 12n, 13n]);
  expect(index.readInt32LE(34)).toBe(32);
  const bin = readFileSync(join(folder, "phase-0_text_document.bin"));
  expect([...new Int32Array(bin.buffer, bin.byteOffset, bin.length / 4)]).toEqual(rows.flatMap((r) => r.tokens));
});

it("mix.py of an emitted folder reads them in place of raw data", async () => {
  if (spawnSync("python3", ["--version"]).status !== 0) return;
  const plan = file("objective = pretrain\n  data = text\n  engine = trl");
  const folder = await built("read", plan);
  const files = (await emit("engine", plan, { read: () => undefined, prepared: "rows" })).value ?? [];
  const stage = JSON.parse(files.find((f) => f.path === "engine/stage.json")?.text ?? "{}") as {
    inputs: { channel: string; from: string }[];
  };
  expect(stage.inputs.filter((i) => /^data-|^prepared$/.test(i.channel))).toEqual([
    { channel: "prepared", folder: "data", from: "rows/go/", kind: "local" },
  ]);
  const mix = files.find((f) => f.path.endsWith("mix.py"))?.text ?? "";
  const code = `import sys, json, types
mix = types.ModuleType("mix"); mix.__file__ = "mix.py"; exec(sys.stdin.read(), mix.__dict__)
rows = mix.packed({"packing": True, "unit": "tokens"}, None, 32, None, sys.argv[1])
print(json.dumps([next(rows)[0] for _ in range(13)]))`;
  const printed = execFileSync("python3", ["-c", code, folder], { input: mix, encoding: "utf8" });
  const rows = lines(folder, "rows.jsonl") as { tokens: number[] }[];
  expect(JSON.parse(printed)).toEqual([...rows, rows[0]].map((r) => r?.tokens));
});
