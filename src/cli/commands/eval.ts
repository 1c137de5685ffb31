import path from "node:path";
import { Command } from "commander";
import { openSource } from "../../runtime/data/index.js";
import { findRun } from "../../runtime/metrics/index.js";
import { evaluateTask, openLanguageModel, openRun, perplexity, readTask } from "../../runtime/sample/index.js";
import { formatCount, formatNumber, formatPercent } from "../../units/index.js";
import { reported } from "../failures.js";
import { examples } from "../help.js";
import { collect } from "../load.js";
import { answer, answerJson, note } from "../output.js";
import { table } from "../tables.js";
import { type Needs, numberOption } from "./sample.js";

interface Options {
  readonly stage?: string;
  readonly task?: readonly string[];
  readonly rows: string;
  readonly tokens: string;
  readonly backend?: string;
  readonly json?: boolean;
}

export const command = (): Command =>
  evalCommand(async () => ({
    open: openLanguageModel,
    buildGraph: (await import("../../model/index.js")).buildGraph,
  }));

/** `llmp eval [RUN]` */
export function evalCommand(needs: Needs): Command {
  return examples(
    new Command("eval")
      .description("Measure a trained model: perplexity on held-out data, multiple choice and exact match on tasks")
      .argument("[run]", "name or folder of a run; the newest unless given")
      .option("--task <file>", "JSON lines with prompt, choices, answer, or prompt and answer (repeatable)", collect)
      .option("--stage <name>", "of which stage; the last unless given")
      .option("--rows <count>", "at most so many sequences of each dataset, and rows of each task", "200")
      .option("-n, --tokens <count>", "longest answer of an exact match", "64")
      .option("--backend <name>", "tensorflow-gpu, tensorflow, webgpu, wasm or cpu; the best there is unless given")
      .option("--json", "print JSON")
      .action((name: string | undefined, options: Options) => reported(() => evaluate(name, options, needs))),
    ["llmp eval shakespeare", "llmp eval local-sft --task examples/data/quiz.jsonl --json"],
  );
}

async function evaluate(name: string | undefined, options: Options, needs: Needs): Promise<void> {
  const rows = numberOption("rows", options.rows, 1, Number.POSITIVE_INFINITY, true);
  const maxTokens = numberOption("tokens", options.tokens, 1, Number.POSITIVE_INFINITY, true);
  // Read before the model is opened: a wrong file is told at once.
  const tasks = (options.task ?? []).map((file) => ({
    name: path.basename(file).replace(/\.jsonl?$/, ""),
    rows: readTask(file).slice(0, rows),
  }));
  const run = findRun(process.cwd(), name);
  const opened = await openRun(run, {
    ...(await needs()),
    ...(options.stage === undefined ? {} : { stage: options.stage }),
    ...(options.backend === undefined ? {} : { backend: options.backend }),
  });
  const { model, tokenizer, stage, pipeline, root } = opened;
  try {
    const { source } = await openSource({
      pipeline,
      stage,
      tokenizer,
      vocab: model.vocab,
      request: { root, stage: stage.name, sequences: 8, length: model.contextLength, steps: 1, seed: stage.seed.value },
      onProgress: (p) => note(`${p.dataset}: tokenised`),
    });
    const held = await source.holdout(rows);
    const datasets: Record<string, { loss: number; perplexity: number; tokens: number }> = {};
    const counts = source.kind === "text" || source.kind === "completion";
    for (const [dataset, batches] of Object.entries(held))
      if (counts) datasets[dataset] = await perplexity(model, batches);
    await source.close();
    for (const dataset of source.datasetNames)
      if (counts && datasets[dataset] === undefined)
        note(`dataset ${dataset} has nothing held out: give it \`holdout = 1%\``);
    const results: Record<string, Awaited<ReturnType<typeof evaluateTask>>> = {};
    for (const task of tasks)
      results[task.name] = await evaluateTask(model, tokenizer, task.rows, {
        maxTokens,
        onRow: (done) => {
          if (done % 50 === 0) note(`${task.name}: ${done} of ${task.rows.length}`);
        },
      });
    if (options.json === true)
      answerJson({
        schema: "llmp.eval/1",
        run: run.name,
        stage: stage.name,
        from: opened.from,
        datasets,
        tasks: results,
      });
    else answer(report(datasets, results));
  } finally {
    await model.close();
  }
}

function report(
  datasets: Readonly<Record<string, { loss: number; perplexity: number; tokens: number }>>,
  tasks: Readonly<Record<string, Awaited<ReturnType<typeof evaluateTask>>>>,
): string {
  const parts: string[] = [];
  const perDataset = Object.entries(datasets);
  if (perDataset.length > 0)
    parts.push(
      table(
        ["held out", "loss", "perplexity", "tokens"],
        perDataset.map(([name, d]) => [
          name,
          formatNumber(d.loss, 4),
          formatNumber(d.perplexity, 4),
          formatCount(d.tokens),
        ]),
      ),
    );
  const perTask = Object.entries(tasks);
  if (perTask.length > 0)
    parts.push(
      table(
        ["task", "accuracy", "±", "by length", "right", "rows"],
        perTask.map(([name, t]) => [
          name,
          formatPercent(t.accuracy),
          formatPercent(t.margin),
          t.accuracyByLength === undefined ? "" : formatPercent(t.accuracyByLength),
          formatCount(t.correct),
          formatCount(t.rows),
        ]),
      ),
    );
  return parts.length === 0
    ? "nothing to measure: no dataset has a `holdout`, and no --task was given"
    : parts.join("\n\n");
}
