/** What every target keeps for every plan. */
import { execFileSync, spawnSync } from "node:child_process";
import { load, loadAll } from "js-yaml";
import { parse as parseToml } from "smol-toml";
import { describe, expect, it } from "vitest";
import { type EmittedFile, emit, emitters, validateRequest } from "../../src/emit/index.js";
import type { Plan } from "../../src/planner/plan.js";
import { cases } from "./fixtures/cases.js";

const names = Object.keys(cases);
const make = (name: string): Plan => (cases[name] as () => Plan)();
const targets = emitters.map((e) => e.name);

async function everything(): Promise<{ readonly where: string; readonly file: EmittedFile }[]> {
  const all: { where: string; file: EmittedFile }[] = [];
  for (const name of names)
    for (const target of targets)
      for (const file of (await emit(target, make(name))).value ?? [])
        all.push({ where: `${name} ${target} ${file.path}`, file });
  return all;
}

const files = await everything();
/** Where it is installed, it looks too. */
const shellcheck = spawnSync("shellcheck", ["--version"]).status === 0;

describe("every target", () => {
  it("has enough to look at", () => {
    expect(files.length).toBeGreaterThan(200);
    for (const target of targets) expect(names.map(make).length, target).toBeGreaterThan(0);
  });

  it("gives the same bytes for the same plan, and leaves the plan alone", async () => {
    for (const name of names)
      for (const target of targets) {
        const plan = make(name);
        const before = JSON.stringify(plan);
        const [a, b] = [await emit(target, plan), await emit(target, make(name))];
        expect(a, `${name} ${target}`).toEqual(b);
        expect(JSON.stringify(plan)).toBe(before);
      }
  });

  it("lowers each plan by at least one target of its provider, or says why not", async () => {
    for (const name of names) {
      const outcomes = await Promise.all(targets.map((t) => emit(t, make(name))));
      expect(
        outcomes.some((o) => o.value !== undefined),
        name,
      ).toBe(true);
      for (const o of outcomes.filter((x) => x.value === undefined)) {
        expect(o.diagnostics.length).toBeGreaterThan(0);
        for (const d of o.diagnostics) expect(d.hints.length, d.message).toBeGreaterThan(0);
      }
    }
  });

  it("writes relative paths that end in a newline, in ASCII where engines read them", () => {
    for (const { where, file } of files) {
      expect(file.path, where).toMatch(/^(?!\/)(?!.*\.\.)[A-Za-z0-9_./-]+$/);
      if (file.text !== "") expect(file.text.endsWith("\n"), where).toBe(true);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is what is checked
      if (/\.(ya?ml|toml|json|sbatch)$/.test(file.path)) expect(file.text, where).toMatch(/^[\x00-\x7f]*$/);
    }
  });

  it("writes YAML, TOML and JSON that other parsers read", () => {
    for (const { file } of files) {
      if (/\.ya?ml$/.test(file.path)) expect(loadAll(file.text).length).toBeGreaterThan(0);
      if (file.path.endsWith(".toml")) expect(Object.keys(parseToml(file.text)).length).toBeGreaterThan(3);
      if (file.path.endsWith(".json")) expect(JSON.parse(file.text)).toBeDefined();
    }
  });

  it("writes shell scripts that bash parses, with every expansion quoted", () => {
    const scripts = files.filter(({ file }) => /\.(sh|sbatch)$/.test(file.path));
    expect(scripts.length).toBeGreaterThan(30);
    for (const text of new Set(scripts.map(({ file }) => file.text))) {
      execFileSync("bash", ["-n"], { input: text });
      if (shellcheck) execFileSync("shellcheck", ["-s", "bash", "-"], { input: text });
      expect(text).toMatch(/^set -euo pipefail$/m);
      for (const line of text.split("\n")) {
        const code = line.replace(/(^|\s)#.*$/, "");
        // Outside double quotes and arithmetic, a bare $name or $(…) would split on spaces.
        const outside = code
          .replace(/"\$\((?:[^()]|\([^()]*\))*\)"/g, '""')
          .replace(/"(?:[^"\\]|\\.)*"/g, '""')
          .replace(/'[^']*'/g, "''")
          .replace(/\$\(\([^)]*\)\)/g, "0");
        expect(outside.replace(/^\s*(export )?\w+=.*$/, ""), line).not.toMatch(/(?<![\\=\w])\$(?:\w|\{)/);
      }
    }
  });

  it("writes requests that the service models and the documented rules accept", () => {
    let seen = 0;
    const request = {
      "create-training-job.json": "CreateTrainingJob",
      "create-pipeline.json": "CreatePipeline",
      "register-job-definition.json": "RegisterJobDefinition",
      "submit-job.json": "SubmitJob",
      "submit-service-job.json": "SubmitServiceJob",
    } as const;
    for (const { where, file } of files) {
      const kind = request[(file.path.split("/").pop() ?? "") as keyof typeof request];
      if (kind === undefined) continue;
      seen++;
      expect(validateRequest(kind, JSON.parse(file.text)), where).toEqual([]);
    }
    expect(seen).toBeGreaterThanOrEqual(8);
  });

  it("names no secret and no machine", () => {
    for (const { where, file } of files)
      expect(file.text, where).not.toMatch(/AKIA[0-9A-Z]{16}|aws_secret|AWS_SECRET_ACCESS_KEY|AWS_SESSION_TOKEN/);
  });
});

const hostile = [
  '"; rm -rf / #',
  "a\nb: !!python/object/apply:os.system [id]",
  "$(touch /tmp/owned)",
  "`id`",
  "../../etc/passwd",
  "x'y",
  "*alias",
  "name\u2028next",
  "",
  "a".repeat(200),
];

/** The plan with one name or path replaced everywhere. */
function rename(plan: Plan, from: string, to: string): Plan {
  return JSON.parse(JSON.stringify(plan).split(JSON.stringify(from)).join(JSON.stringify(to))) as Plan;
}

describe("hostile names", () => {
  const marks = [
    ["trl-sft-lora", "tune"],
    ["trl-sft-lora", "chat"],
    ["trl-sft-lora", "mistral_7b"],
    ["trl-sft-lora", "s3://corpus/chat/train.jsonl"],
    ["trl-sft-lora", "s3://bucket/llmp"],
    ["distill", "fsx-claim"],
    ["trainium-batch", "trn"],
    ["fast-llm-pp", "gpu"],
    ["stages-sft-grpo", "us-east-1"],
  ] as const;
  it.each(marks)("%s: %s", async (name, what) => {
    for (const word of hostile) {
      const plan = rename(make(name), what, word);
      for (const target of targets) {
        const outcome = await emit(target, plan);
        if (outcome.value === undefined) {
          expect(outcome.diagnostics.every((d) => /^LLMP\d{4}$/.test(d.code))).toBe(true);
          continue;
        }
        for (const file of outcome.value) {
          if (/\.(sh|sbatch)$/.test(file.path)) {
            execFileSync("bash", ["-n"], { input: file.text });
            if (word !== "")
              expect(file.text.includes(word) && /[$`;\n]/.test(word), `${target} ${file.path}`).toBe(false);
          }
          if (/\.ya?ml$/.test(file.path)) loadAll(file.text);
        }
      }
    }
  });

  it("carries any text of rewards and columns as data, never as code", async () => {
    for (const word of hostile.filter((w) => w !== "")) {
      for (const [name, what] of [
        ["stages-sft-grpo", "<think>.*</think>"],
        ["trl-sft-lora", "question"],
        ["verl-grpo", "solution"],
      ] as const) {
        const outcome = await emit("engine", rename(make(name), what, word));
        expect(outcome.value, word).toBeDefined();
        for (const file of outcome.value ?? []) {
          if (file.path.endsWith(".py") || /\.(sh|sbatch)$/.test(file.path))
            expect(file.text.includes(word) && word.length > 3, `${file.path} ${word}`).toBe(false);
          if (/\.ya?ml$/.test(file.path)) load(file.text);
          if (file.path.endsWith("rewards.json") && what.startsWith("<think>"))
            expect(JSON.stringify(JSON.parse(file.text))).toContain(JSON.stringify(word));
        }
      }
    }
  });

  it("refuses plans with nothing to run, and unknown targets with the nearest one", async () => {
    const plan = make("trl-sft-lora");
    const [infeasible] = (await emit("sagemaker", { ...plan, outcome: "infeasible" })).diagnostics;
    expect(infeasible?.code).toBe("LLMP5011");
    const [unknown] = (await emit("sagemakr", plan)).diagnostics;
    expect(unknown?.code).toBe("LLMP5007");
    expect(unknown?.hints[0]).toContain("sagemaker");
  });
});
