/** A pipeline file as hostile as its grammar lets it be, through the real stages and every target. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { loadAll } from "js-yaml";
import { parse as parseToml } from "smol-toml";
import { expect, it } from "vitest";
import { check } from "../../src/checker/index.js";
import { hasErrors } from "../../src/diagnostics/index.js";
import { type EmittedFile, emit, emitters } from "../../src/emit/index.js";
import { bundledHardware } from "../../src/hardware/index.js";
import { parse } from "../../src/parser/index.js";
import { plan as planner } from "../../src/planner/index.js";
import type { Plan } from "../../src/planner/plan.js";
import { exampleNames, examplePlan } from "./fixtures/examples.js";

const words = [
  "$(touch /tmp/owned)",
  "`id`",
  "; rm -rf /",
  "it's",
  'say \\"yes\\"',
  "!!python/object/apply:os.system [id]",
  "../../../etc/passwd",
  "{{ x }} #{y} %(z)s ${W}",
  "line\\nbreak",
  "\\u2028",
];

const clusters: Readonly<Record<string, string>> = {
  sagemaker:
    'provider = sagemaker, instance = ml.g6e.2xlarge, region = "us-east-1", role = "arn:aws:iam::111122223333:role/r", storage = "s3://b/p"',
  hyperpod:
    'provider = hyperpod, orchestrator = eks, instance = ml.g6e.2xlarge, region = "us-east-1", storage = "s3://b/p"',
  batch:
    'provider = batch, instance = g6e.2xlarge, region = "us-east-1", queue = "q", role = "arn:aws:iam::111122223333:role/r", storage = "s3://b/p"',
  kubernetes: "provider = kubernetes, instance = g6e.2xlarge",
  slurm: "provider = slurm, instance = g6e.2xlarge",
};

/** The word in a place that is data (a column, a pattern, a template) and in one that is a path. */
const text = (cluster: string, column: string, path: string): string => `
dataset chat { source = "${path}", format = jsonl, prompt = "${column}", completion = "completion", tokens = 1M }
tokenizer tok { kind = bpe, file = "s3://b/tok/tokenizer.json", chat_template = "${column}" }
reward shaped { kind = regex, pattern = "${column.replace(/[()[\]{}$*+?|]/g, "")}" }
model tiny {
  architecture = llama
  layers = 2
  hidden = 64
  heads = 4
  ffn = 192
  vocab = 320
  context_length = 64
  weights = "s3://b/weights"
}
cluster c { ${cluster}, count = 1 }
train go { objective = sft, model = tiny, data = chat, tokenizer = tok, steps = 10, batch = 8 sequences, precision = bf16, on = c }
`;

function planned(source: string): Plan | "refused" {
  const { value: ast, diagnostics } = parse({ path: "hostile.llmp", text: source });
  const checked = check(ast as NonNullable<typeof ast>, { read: () => undefined });
  if (hasErrors([...diagnostics, ...checked.diagnostics]) || checked.value === undefined) return "refused";
  const { value } = planner(checked.value, bundledHardware());
  return value === undefined || value.outcome !== "ok" ? "refused" : value;
}

const parsed = new Set<string>();

function harmless(file: EmittedFile): void {
  expect(file.path).toMatch(/^[A-Za-z0-9_./-]+$/);
  expect(file.path.split("/")).not.toContain("..");
  if (parsed.has(file.text)) return;
  parsed.add(file.text);
  if (/\.(sh|sbatch|py)$/.test(file.path)) {
    expect(file.text, file.path).not.toContain("touch /tmp/owned");
    expect(file.text, file.path).not.toContain("os.system");
    expect(file.text, file.path).not.toContain("etc/passwd");
  }
  if (/\.(sh|sbatch)$/.test(file.path)) execFileSync("bash", ["-n"], { input: file.text });
  if (/\.ya?ml$/.test(file.path)) loadAll(file.text);
  if (file.path.endsWith(".toml")) parseToml(file.text);
  if (file.path.endsWith(".json")) JSON.parse(file.text);
}

/** Each text between quotes of each example, one after the other, by each target: a new example or target is in by itself. */
it.each(exampleNames)(
  "examples/%s with every text of it made hostile",
  async (name) => {
    const file = readFileSync(`examples/${name}.llmp`, "utf8").replace(/#.*$/gm, "");
    const texts = [...new Set([...file.matchAll(/"([^"\\]+)"/g)].map((m) => m[1] as string))];
    const plan = JSON.stringify(examplePlan(name));
    let tried = 0;
    for (const [i, text] of texts.entries()) {
      // A word a text in turn, and the worst for every one.
      for (const word of new Set([words[0] as string, words[i % words.length] as string])) {
        const value = JSON.parse(`"${word}"`) as string;
        const changed = plan.split(JSON.stringify(text)).join(JSON.stringify(value));
        if (changed === plan) continue;
        for (const { name: target } of emitters) {
          const outcome = await emit(target, JSON.parse(changed) as Plan);
          tried++;
          for (const written of outcome.value ?? []) harmless(written);
          if (outcome.value === undefined)
            for (const d of outcome.diagnostics) expect(d.hints.length, `${target}: ${d.message}`).toBeGreaterThan(0);
        }
      }
    }
    expect(tried).toBeGreaterThanOrEqual(emitters.length);
  },
  60_000,
);

it.each(Object.keys(clusters))("provider = %s", async (provider) => {
  let written = 0;
  for (const word of words)
    for (const [column, path] of [
      [word, "s3://b/chat/*.jsonl"],
      ["prompt", `s3://b/${word}/*.jsonl`],
    ] as const) {
      const plan = planned(text(clusters[provider] as string, column, path));
      if (plan === "refused") continue;
      for (const { name } of emitters) {
        const outcome = await emit(name, plan);
        if (outcome.value === undefined) {
          // A clear error: a code, and what to do.
          for (const d of outcome.diagnostics) expect(d.hints.length, `${name}: ${d.message}`).toBeGreaterThan(0);
          continue;
        }
        written++;
        for (const file of outcome.value) harmless(file);
      }
    }
  expect(written).toBeGreaterThan(words.length);
});

it("names are identifiers: anything else is not a file of this language", () => {
  for (const name of ['"a b"', "a;b", "../x", "$(id)", "é"])
    expect(
      planned(text(clusters.slurm as string, "prompt", "s3://b/*.jsonl").replace("train go", `train ${name}`)),
    ).toBe("refused");
});
