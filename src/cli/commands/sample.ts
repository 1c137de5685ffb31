import { readFileSync } from "node:fs";
import { Command } from "commander";
import { findRun } from "../../runtime/metrics/index.js";
import { generate, type OpenRunOptions, openLanguageModel, openRun } from "../../runtime/sample/index.js";
import { chatRenderer } from "../../runtime/tokenizer/index.js";
import { formatNumber } from "../../units/index.js";
import { reported } from "../failures.js";
import { examples } from "../help.js";
import { answerJson, note, usage } from "../output.js";

/** What opening a run's model needs; tests give their own. */
export type Needs = () => Promise<Pick<OpenRunOptions, "open" | "buildGraph">>;

interface Options {
  readonly prompt?: string;
  readonly chat?: boolean;
  readonly stage?: string;
  readonly tokens: string;
  readonly temperature: string;
  readonly topK: string;
  readonly topP: string;
  readonly seed: string;
  readonly samples: string;
  readonly backend?: string;
  readonly json?: boolean;
}

/** A number within bounds, or wrong usage. */
export function numberOption(name: string, text: string, low: number, high: number, whole: boolean): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= low && value <= high) || (whole && !Number.isInteger(value)))
    throw usage(
      `--${name} ${text}: ${whole ? "a whole number" : "a number"} from ${low}${high === Number.POSITIVE_INFINITY ? "" : ` to ${high}`} is expected`,
    );
  return value;
}

/** The model's graph and the executor load only when they are needed. */
export const command = (): Command =>
  sampleCommand(async () => ({
    open: openLanguageModel,
    buildGraph: (await import("../../model/index.js")).buildGraph,
  }));

/** `llmp sample [RUN] --prompt TEXT` */
export function sampleCommand(needs: Needs): Command {
  return examples(
    new Command("sample")
      .description("Let a trained model write")
      .argument("[run]", "name or folder of a run; the newest unless given")
      .option("-p, --prompt <text>", "what to continue; - for standard input")
      .option("--chat", "the prompt is a user's message: use the chat template")
      .option("--stage <name>", "of which stage; the last unless given")
      .option("-n, --tokens <count>", "longest answer", "200")
      .option("-t, --temperature <number>", "0: always the likeliest token", "0.8")
      .option("--top-k <count>", "draw from this many likeliest tokens; 0: all", "0")
      .option("--top-p <share>", "draw from the likeliest tokens of this share", "1")
      .option("--seed <number>", "the same seed, the same text", "1")
      .option("--samples <count>", "how many", "1")
      .option("--backend <name>", "tensorflow-gpu, tensorflow, webgpu, wasm or cpu; the best there is unless given")
      .option("--json", "print JSON")
      .action((name: string | undefined, options: Options) => reported(() => sample(name, options, needs))),
    ['llmp sample shakespeare --prompt "ROMEO:"', 'llmp sample local-sft -p "3 + 4 =" -t 0 --json'],
  );
}

async function sample(name: string | undefined, options: Options, needs: Needs): Promise<void> {
  const settings = {
    tokens: numberOption("tokens", options.tokens, 1, Number.POSITIVE_INFINITY, true),
    temperature: numberOption("temperature", options.temperature, 0, Number.POSITIVE_INFINITY, false),
    topK: numberOption("top-k", options.topK, 0, Number.POSITIVE_INFINITY, true),
    topP: numberOption("top-p", options.topP, 0, 1, false),
  };
  const seed = numberOption("seed", options.seed, 0, 2 ** 32 - 1, true);
  const samples = numberOption("samples", options.samples, 1, Number.POSITIVE_INFINITY, true);
  const run = findRun(process.cwd(), name);
  const opened = await openRun(run, {
    ...(await needs()),
    ...(options.stage === undefined ? {} : { stage: options.stage }),
    ...(options.backend === undefined ? {} : { backend: options.backend }),
  });
  const { model, tokenizer } = opened;
  try {
    const given = options.prompt === "-" ? readFileSync(0, "utf8") : (options.prompt ?? "");
    const prompt =
      options.chat === true
        ? chatRenderer(tokenizer).render([{ role: "user", content: given }], { generationPrompt: true })
        : given;
    note(
      `${run.name}, stage ${opened.stage.name}, ${opened.from === "final" ? "finished" : `checkpoint of step ${opened.from}`}`,
    );
    const results = [];
    const started = performance.now();
    let count = 0;
    for (let i = 0; i < samples; i++) {
      // Text appears as it comes, character by character.
      const stream = options.json !== true;
      if (stream) process.stdout.write(options.chat === true ? "" : given);
      const one = await generate(model, tokenizer, prompt, { ...settings, seed: seed + i }, (text) => {
        if (stream) process.stdout.write(text);
      });
      if (stream) process.stdout.write("\n");
      count += one.ids.length;
      results.push({ seed: seed + i, text: one.text, tokens: one.ids.length, stopped: one.stopped });
    }
    if (options.json === true)
      answerJson({ schema: "llmp.sample/1", run: run.name, stage: opened.stage.name, prompt: given, samples: results });
    note(`${formatNumber(count / ((performance.now() - started) / 1000))} tokens/s`);
  } finally {
    await model.close();
  }
}
