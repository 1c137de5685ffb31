import path from "node:path";
import { Command, Option } from "commander";
import type { Pipeline, Stage } from "../../checker/pipeline.js";
import {
  type DatasetStats,
  datasetStats,
  mixStats,
  openStageData,
  type PhaseStats,
  type StageData,
} from "../../runtime/data/index.js";
import { formatBytes, formatCount, formatNumber, formatPercent, formatTokens } from "../../units/index.js";
import type { HandOver } from "../data/hand-over.js";
import { reported } from "../failures.js";
import { examples } from "../help.js";
import { collect, type Loaded, loadPipeline } from "../load.js";
import { answer, answerJson, note, showDiagnostics, usage, useColor } from "../output.js";
import { table } from "../tables.js";
import { tokenizerCommand } from "../train-tokenizer.js";

interface Options {
  readonly set?: readonly string[];
  readonly stage?: string;
  readonly json?: boolean;
  readonly badRows?: "skip" | "fatal";
  readonly rows?: string;
  readonly step?: string;
  readonly out?: string;
}

/** `llmp data stats | preview | build FILE` */
export function command(): Command {
  const sub = (name: string, description: string) =>
    new Command(name)
      .description(description)
      .argument("[file]", "a .llmp file, a folder with one, or -")
      .option("--set <name=value>", "override a param (repeatable)", collect)
      .option("--stage <name>", "only this stage")
      .addOption(
        new Option("--bad-rows <what>", "skip them, or stop at the first").choices(["skip", "fatal"]).default("skip"),
      )
      .option("--json", "print JSON");
  return examples(
    new Command("data")
      .description("Look at a file's datasets as training will see them")
      .addCommand(
        examples(
          sub("stats", "Documents, tokens, lengths, bad rows; what each mix draws, in tokens and epochs").action(stats),
          [
            "llmp data stats examples/shakespeare.llmp",
            "llmp data stats --json --bad-rows fatal examples/local-sft.llmp",
          ],
        ),
      )
      .addCommand(
        examples(
          sub("preview", "Decoded rows of a batch; what the loss counts is marked")
            .option("-n, --rows <count>", "how many rows", "4")
            .option("--step <number>", "of which step's batch", "0")
            .action(preview),
          ["llmp data preview examples/local-sft.llmp", "llmp data preview -n 1 --step 20 examples/shakespeare.llmp"],
        ),
      )
      .addCommand(
        examples(
          sub("build", "Tokenise now; with -o, write the planned rows in their order for the plan's engines")
            .option("-o, --out <folder>", "where the rows go, a folder for each stage; llmp emit --prepared reads it")
            .action(build),
          [
            "llmp data build examples/shakespeare.llmp",
            "llmp data build examples/local-sft.llmp -o rows --stage answer",
          ],
        ),
      )
      .addCommand(tokenizerCommand()),
    ["llmp data stats examples/shakespeare.llmp", "llmp data preview examples/local-sft.llmp"],
  );
}

async function forStages<T>(
  file: string | undefined,
  options: Options,
  visit: (stage: Stage, data: StageData) => Promise<T> | T,
): Promise<T[]> {
  const loaded: Loaded & { pipeline: Pipeline } = loadPipeline(
    file,
    options.set === undefined ? {} : { set: options.set },
  );
  const { pipeline } = loaded;
  const stages = pipeline.stages.filter((s) => options.stage === undefined || s.name === options.stage);
  if (stages.length === 0)
    throw usage(`there is no stage ${options.stage}`, `there are ${pipeline.stages.map((s) => s.name).join(", ")}`);
  const out: T[] = [];
  for (const stage of stages)
    out.push(
      await reported(async () => {
        const data = await openStageData(pipeline, stage, path.resolve(path.dirname(loaded.path)), {
          badRows: options.badRows ?? "skip",
          onProgress: (p) => note(`${p.dataset}: ${formatBytes(p.bytes)} of ${formatBytes(p.of)} tokenised`),
        });
        showDiagnostics(data.diagnostics, loaded.host.sources);
        const result = await visit(stage, data);
        await data.source.close();
        return result;
      }, loaded.host.sources),
    );
  return out;
}

interface StageStats {
  readonly stage: string;
  readonly sequences: number;
  readonly context_length: number;
  readonly steps: number;
  readonly tokens: number;
  readonly datasets: readonly DatasetStats[];
  readonly phases: readonly PhaseStats[];
}

async function stats(file: string | undefined, options: Options): Promise<void> {
  const all = await forStages(
    file,
    options,
    (stage, { source, sequences, length, steps }): StageStats => ({
      stage: stage.name,
      sequences,
      context_length: length,
      steps,
      tokens: sequences * length * steps,
      datasets: datasetStats(source),
      phases: mixStats(source),
    }),
  );
  if (options.json === true) answerJson({ schema: "llmp.data/1", stages: all });
  else answer(all.map(stageText).join("\n"));
}

function stageText(s: StageStats): string {
  const datasets = table(
    ["dataset", "size", "documents", "tokens", "with loss", "held out", "bad rows", "mean", "median", "95%", "longest"],
    s.datasets.map((d) => [
      d.name,
      formatBytes(d.bytes),
      formatCount(d.documents),
      formatTokens(d.tokens),
      formatPercent(d.trained / d.tokens),
      formatTokens(d.held_out_tokens),
      formatCount(d.bad_rows),
      ...[d.length.mean, d.length.median, d.length.p95, d.length.longest].map((n) => formatCount(n)),
    ]),
  );
  const mix = table(
    ["from", "to", "dataset", "weight", "tokens", "epochs"],
    s.phases.flatMap((phase) =>
      phase.shares.map((share) => [
        formatPercent(phase.from),
        formatPercent(phase.to),
        share.dataset,
        formatPercent(share.weight),
        formatTokens(share.tokens),
        formatNumber(share.epochs),
      ]),
    ),
  );
  const total = `${formatCount(s.steps)} steps of ${formatCount(s.sequences)} sequences × ${formatCount(s.context_length)} tokens = ${formatTokens(s.tokens)} tokens`;
  return `stage ${s.stage}: ${total}\n\n${datasets}\n\n${mix}\n`;
}

async function preview(file: string | undefined, options: Options): Promise<void> {
  const whole = (text: string | undefined, least: number, what: string) => {
    const number = Number(text);
    if (!Number.isInteger(number) || number < least) throw usage(`${what} ${text} is not a whole number from ${least}`);
    return number;
  };
  const rows = whole(options.rows, 1, "--rows");
  const step = whole(options.step, 0, "--step");
  const color = useColor();
  const texts = await forStages(file, options, async (stage, { source, tokenizer, length }) => {
    const batch = await source.batch(step);
    return Array.from({ length: Math.min(rows, batch.sequences) }, (_, row) => {
      const dataset = source.datasetNames[batch.datasets?.[row] ?? 0] ?? "";
      const parts: { learned: boolean; ids: number[] }[] = [];
      const prompt = batch.promptLengths?.[row];
      let last = 0;
      for (let i = 0; i < length; i++) if (batch.weights[row * length + i] !== 0 || i < (prompt ?? 0)) last = i + 1;
      // A token is learned where it is the target of the position before; a document's last target is no input.
      const put = (id: number, learned: boolean) => {
        if (parts.at(-1)?.learned === learned) parts.at(-1)?.ids.push(id);
        else parts.push({ learned, ids: [id] });
      };
      const segment = (i: number) => (i < last ? (batch.segments?.[row * length + i] ?? 0) : -1);
      for (let i = 0; i < last; i++) {
        const at = row * length + i;
        put(batch.tokens[at] as number, i > 0 && segment(i) === segment(i - 1) && batch.weights[at - 1] !== 0);
        if (segment(i + 1) !== segment(i) && batch.weights[at] !== 0) put(batch.targets[at] as number, true);
      }
      const documents = new Set(batch.segments?.subarray(row * length, row * length + last)).size || 1;
      return {
        stage: stage.name,
        step,
        row,
        dataset,
        documents,
        tokens: last,
        learned: parts.reduce((n, p) => n + (p.learned ? p.ids.length : 0), 0),
        parts: parts.map((p) => ({ learned: p.learned, text: tokenizer.decode(p.ids) })),
        ...(batch.answers === undefined ? {} : { answer: batch.answers[row] ?? "" }),
      };
    });
  });
  if (options.json === true) return answerJson({ schema: "llmp.data/1", rows: texts.flat() });
  const show = (part: { learned: boolean; text: string }) =>
    color
      ? part.learned
        ? `\u001b[32m${part.text}\u001b[39m`
        : `\u001b[2m${part.text}\u001b[22m`
      : part.learned
        ? `⟦${part.text}⟧`
        : part.text;
  answer(
    texts
      .flat()
      .map(
        (r) =>
          `── ${r.stage}, step ${r.step}, row ${r.row}: ${r.dataset}, ${r.documents} ${r.documents === 1 ? "document" : "documents"}, ${r.tokens} tokens, ${r.learned} with loss${r.answer === undefined ? "" : `, answer ${JSON.stringify(r.answer)}`}\n${r.parts.map(show).join("")}\n`,
      )
      .join("\n"),
  );
}

/** Plans first: the plan says how many rows of which length, and for which engine. */
async function buildRows(file: string | undefined, options: Options, out: string): Promise<void> {
  const { loadPlan } = await import("../plan/input.js");
  const { handOver } = await import("../data/hand-over.js");
  const plan = await loadPlan(file, options.set === undefined ? {} : { set: options.set });
  const names = plan.stages.map((s) => s.name);
  if (options.stage !== undefined && !names.includes(options.stage))
    throw usage(`there is no stage ${options.stage}`, `there are ${names.join(", ")}`);
  const built: HandOver[] = [];
  for (const [index, { name }] of plan.stages.entries()) {
    if (options.stage !== undefined && options.stage !== name) continue;
    let tenth = 0;
    built.push(
      await reported(() =>
        handOver(plan, index, {
          root: path.resolve(path.dirname(plan.source)),
          folder: path.join(out, name),
          badRows: options.badRows ?? "skip",
          onProgress: (step, steps) => {
            if (Math.floor((10 * step) / steps) === tenth) return;
            tenth = Math.floor((10 * step) / steps);
            note(`${name}: ${formatCount(step)} of ${formatCount(steps)} steps`);
          },
        }),
      ),
    );
  }
  if (options.json === true) return answerJson({ schema: "llmp.data/1", prepared: built });
  answer(built.map((b) => `${b.stage}: ${formatCount(b.rows)} rows, ${b.folder}/{${b.files.join(",")}}`).join("\n"));
  note(`llmp emit TARGET FILE --prepared ${out} reads them`);
}

async function build(file: string | undefined, options: Options): Promise<void> {
  if (options.out !== undefined) return buildRows(file, options, options.out);
  const built = await forStages(file, options, (stage, { source }) =>
    source.datasetNames.map((name) => {
      const store = source.train[name]?.store;
      return {
        stage: stage.name,
        dataset: name,
        tokens: store?.meta.tokens ?? 0,
        documents: store?.meta.documents ?? 0,
        path: path.relative(process.cwd(), store?.folder ?? ""),
      };
    }),
  );
  if (options.json === true) return answerJson({ schema: "llmp.data/1", built: built.flat() });
  answer(
    built
      .flat()
      .map((b) => `${b.dataset}: ${formatTokens(b.tokens)} tokens in ${formatCount(b.documents)} documents, ${b.path}`)
      .join("\n"),
  );
}
