/** Other tools' configurations (foreign/), what is made of them (foreign/*.llmp), and what is said about the rest. */
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { command } from "../../src/cli/commands/import.js";
import { importConfig, importerOf, importers } from "../../src/import/index.js";
import { checkText } from "../checker/helpers.js";
import { call } from "./streams.js";

vi.mock("node:fs", async (original) =>
  (await import("./streams.js")).capture(await original<typeof import("node:fs")>()),
);

const folder = join(import.meta.dirname, "foreign");
const imports = (...args: string[]) => call(command(), ...args);

interface Answer {
  readonly kind: string;
  readonly text: string;
  readonly parameters: number;
  readonly warnings: readonly string[];
}

async function imported(file: string, ...options: string[]): Promise<Answer> {
  const made = await imports(join(folder, file), "--json", ...options);
  expect(made.code, made.err).toBe(0);
  return JSON.parse(made.out) as Answer;
}

const files: [string, string, number, readonly string[]][] = [
  [
    "axolotl.yml",
    "axolotl",
    8_030_261_248,
    ["the quantised state of optimizer paged_adamw_8bit", 'chat_template = "llama3"', "neftune_noise_alpha = 5"],
  ],
  ["titan.toml", "torchtitan", 8_030_261_248, []],
  ["titan_registry.py", "torchtitan", 70_553_706_496, []],
  [
    "megatron.sh",
    "megatron",
    8_030_261_248,
    [expect.stringContaining(".bin/.idx") as unknown as string, "apply_layernorm_1p = true"],
  ],
  ["trl_dpo.sh", "trl", 1_543_714_304, ['rpo_alpha = "1.0"']],
  ["trl_sft.yaml", "trl", 361_821_120, []],
  ["recipe.yaml", "recipe", 8_030_261_248, ["model.fp8_amax_history_len = 1024"]],
  [
    "recipe_grpo.yaml",
    "recipe",
    1_235_814_400,
    [
      "the reward functions (write them as rewards; exact answers stand in)",
      "where the data lies: the recipe leaves it to the job (/opt/ml/input/data/train stands in)",
      "training_config.actor_rollout_ref.actor.ppo_mini_batch_size = 32",
    ],
  ],
  [
    "recipe_sft.yaml",
    "recipe",
    8_030_261_248,
    ["a warm-up of 10% of the epochs (say the dataset's `tokens`, then `warmup = 10%` in the schedule)"],
  ],
];

describe.each(files)("%s", (file, kind, parameters, lost) => {
  test("is recognised, checks, and says what is lost", async () => {
    const answer = await imported(file);
    expect([answer.kind, answer.parameters]).toEqual([kind, parameters]);
    const said = answer.warnings.flatMap((w) => (w.startsWith("not carried over: ") ? [w.slice(18)] : []));
    expect(said).toEqual(lost);
    const text = answer.text.replace(/^# From .*\n/, "");
    await expect(text).toMatchFileSnapshot(join(folder, `${file}.llmp`));
    expect(checkText(text).diagnostics.filter((d) => d.severity === "error")).toEqual([]);
  });
});

describe("what an import means", () => {
  const stageOf = async (file: string, ...options: string[]) => {
    const { value } = checkText((await imported(file, ...options)).text);
    return { pipeline: value!, stage: value!.stages[0]! };
  };

  test("the batch of an optimizer step counts all data-parallel ranks", async () => {
    // 2 sequences × 4 accumulated, on each of the GPUs.
    expect((await stageOf("axolotl.yml")).stage.batch.value.amount).toBe(8);
    // Without `--gpus` it is said that one was assumed.
    expect((await imports(join(folder, "axolotl.yml"))).err).toMatch(/LLMP7005\]: assumed: 1 GPU/);
    expect((await stageOf("axolotl.yml", "--gpus", "16")).stage.batch.value.amount).toBe(128);
    // 8 sequences on each of 32 ranks: tensor parallel ranks share theirs.
    expect((await stageOf("titan_registry.py")).stage.batch.value.amount).toBe(256);
    // 2 on each of 8 · 16 / 2 ranks.
    expect((await stageOf("recipe.yaml")).stage.batch.value.amount).toBe(128);
    // Said outright, and the steps from the samples.
    const { stage } = await stageOf("megatron.sh");
    expect([stage.batch.value.amount, stage.length.value]).toEqual([128, { unit: "steps", amount: 1000 }]);
  });

  test("learning rates end where theirs do, mixes keep their shares, adapters their targets", async () => {
    const { stage, pipeline } = await stageOf("megatron.sh");
    expect(stage.optimizer.value.minLr / stage.optimizer.value.lr).toBeCloseTo(1 / 15, 6);
    expect(pipeline.mixes.blend?.phases[0]?.weights).toMatchObject({
      web_text_document: expect.closeTo(0.7, 12),
      code_text_document: expect.closeTo(0.3, 12),
    });
    expect((await stageOf("trl_dpo.sh")).pipeline.adapters.low_rank?.targets.value).toEqual(["q_proj", "v_proj"]);
  });

  test("--entry picks the function of a Python configuration; another is an error with the list", async () => {
    const { text } = await imported("titan_registry.py", "--entry", "llama3_debugmodel", "--model", "llama3_2_1b");
    expect(text).toContain("model base: llama3_2_1b");
    expect((await imports(join(folder, "titan_registry.py"), "--entry", "nope")).err).toMatch(
      /LLMP7001.*nope[\s\S]*llama3_70b/,
    );
  });

  test("a model that is not bundled is asked for; a local folder or --model answers", async () => {
    const at = mkdtempSync(join(tmpdir(), "llmp-foreign-"));
    const file = join(at, "tune.yml");
    const yaml = (model: string) =>
      `base_model: ${model}\nmicro_batch_size: 1\ndatasets:\n  - path: a.jsonl\n    type: completion\n`;
    writeFileSync(file, yaml("acme/Secret-9B"));
    const refused = await imports(file);
    expect(refused.code).toBe(1);
    expect(refused.err).toMatch(/LLMP7006.*acme\/Secret-9B/);
    expect((await imports(file, "--model", "gpt2")).code).toBe(0);
    writeFileSync(file, yaml(join(import.meta.dirname, "../weights/fixtures/llama2")));
    expect((await imports(file)).out).toMatch(/model base \{[\s\S]*hidden += 16/);
  });

  test("our own Megatron arguments come back as the model and layout that they were made of", async () => {
    const golden = readFileSync(join(import.meta.dirname, "../emit/golden/megatron-fp8.engine.txt"), "utf8");
    const args = /=== engine\/args\/phase-0\.yaml\n([\s\S]*?)\n=== /.exec(golden)?.[1] ?? "";
    const file = join(mkdtempSync(join(tmpdir(), "llmp-foreign-")), "args.yaml");
    writeFileSync(file, args);
    const { out, code } = await imports(file, "--gpus", "16");
    expect(code).toBe(0);
    expect(out).toMatch(/kv_heads +?= 8/);
    expect(out).toMatch(/parallel += \{ tensor = 4, pipeline = 2, sequence = true, shard = zero1, micro_batch = 1 \}/);
    expect(out).toMatch(/precision += fp8/);
  });
});

describe("hostile and broken files", () => {
  test("text of the file is never more than text: quotes, braces, shell and YAML syntax", async () => {
    const file = join(mkdtempSync(join(tmpdir(), "llmp-foreign-")), "evil.yml");
    const evil = 'x"} train evil { objective = sft }\n$(touch /tmp/pwned) `id`';
    writeFileSync(
      file,
      `base_model: gpt2\nmicro_batch_size: 1\ndatasets:\n  - path: ${JSON.stringify(evil)}\n    type: completion\n    field: ${JSON.stringify('t" }')}\n`,
    );
    const { out, code } = await imports(file);
    expect(code).toBe(0);
    const { value } = checkText(out);
    expect(value?.stages.map((s) => s.name)).toEqual(["tuned"]);
    const [set] = Object.values(value?.datasets ?? {});
    expect([set?.source.value, set?.field?.value]).toEqual([[evil], 't" }']);
  });

  test("no kind fits, or --from says a wrong one: a diagnostic", async () => {
    const file = join(mkdtempSync(join(tmpdir(), "llmp-foreign-")), "a.txt");
    writeFileSync(file, "dear diary");
    expect((await imports(file)).err).toMatch(/LLMP7001.*no kind that is known/);
    for (const { kind } of importers) expect((await imports(file, "--from", kind)).code, kind).toBe(1);
    writeFileSync(file, "base_model: [unclosed\nsequence_len: 1");
    expect((await imports(file)).err).toMatch(/LLMP7001/);
    writeFileSync(file, "base_model: gpt2\nsequence_len: many\n");
    expect((await imports(file)).err).toMatch(/LLMP7004.*`sequence_len` is "many"/);
  });

  const host = { models: [{ name: "gpt2", family: "std/gpt2" }], config: () => undefined };
  const texts = files.map(([file]) => readFileSync(join(folder, file), "utf8"));
  test("cut, doubled and spoilt files: an answer or diagnostics, never a throw", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...texts),
        fc.nat(5000),
        fc.nat(200),
        fc.string({ maxLength: 20 }),
        (text, at, n, junk) => {
          const path = "x.yaml";
          const spoilt = text.slice(0, at % text.length) + junk + text.slice((at % text.length) + n);
          for (const importer of importers) {
            const { value, diagnostics } = importConfig(importer, { path, text: spoilt }, host);
            expect(value !== undefined || diagnostics.length > 0).toBe(true);
          }
          importerOf({ path, text: spoilt });
        },
      ),
      { numRuns: 150, seed: 11 },
    );
  });
});
