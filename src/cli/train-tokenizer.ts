import { mkdirSync } from "node:fs";
import path from "node:path";
import { Command } from "commander";
import { writeWhole } from "../files/index.js";
import { datasetTexts } from "../runtime/data/index.js";
import { trainBpe, WordCounter } from "../runtime/tokenizer/index.js";
import { formatBytes, formatCount } from "../units/index.js";
import { reported } from "./failures.js";
import { examples } from "./help.js";
import { collect, loadPipeline } from "./load.js";
import { answer, note, usage } from "./output.js";

interface Options {
  readonly vocab: string;
  readonly output: string;
  readonly dataset?: readonly string[];
  readonly limit: string;
}

/** `llmp data tokenizer FILE --vocab N -o tokenizer.json` */
export function tokenizerCommand(): Command {
  return examples(
    new Command("tokenizer")
      .description("Train a byte-level BPE tokenizer on a file's datasets")
      .argument("[file]", "a .llmp file, a folder with one, or -")
      .requiredOption("--vocab <count>", "tokens in all: 4 specials, 256 bytes, and merges")
      .requiredOption("-o, --output <file>", "the tokenizer.json to write")
      .option("--dataset <name>", "only this dataset (repeatable)", collect)
      .option("--limit <MB>", "read at most so many megabytes of each dataset", "1000")
      .action((file: string | undefined, options: Options) => reported(() => train(file, options))),
    [
      "llmp data tokenizer examples/shakespeare.llmp --vocab 1024 -o shakespeare.tokenizer.json",
      "llmp data tokenizer mix.llmp --dataset web --limit 200 --vocab 32000 -o web/tokenizer.json",
    ],
  );
}

async function train(file: string | undefined, options: Options): Promise<void> {
  const vocab = Number(options.vocab);
  if (!Number.isInteger(vocab) || vocab < 260 || vocab >= 2 ** 21)
    throw usage(`--vocab ${options.vocab}: a whole number from 260 is expected`);
  const limit = Number(options.limit) * 1e6;
  if (!(limit > 0)) throw usage(`--limit ${options.limit}: megabytes are expected`);
  const { pipeline, path: named } = loadPipeline(file);
  const names = options.dataset ?? Object.keys(pipeline.datasets);
  const counter = new WordCounter();
  for (const name of names) {
    const dataset = pipeline.datasets[name];
    if (dataset === undefined)
      throw usage(`there is no dataset ${name}`, `there are ${Object.keys(pipeline.datasets).join(", ")}`);
    let read = 0;
    for await (const text of datasetTexts(dataset, path.resolve(path.dirname(named)))) {
      counter.add(text);
      read += text.length;
      if (read >= limit) break;
    }
    note(`${name}: ${formatBytes(read)} read, ${formatCount(counter.counts.size)} different words so far`);
  }
  const json = trainBpe(counter, { vocab });
  mkdirSync(path.dirname(path.resolve(options.output)), { recursive: true });
  writeWhole(options.output, json);
  const size = Object.keys((JSON.parse(json) as { model: { vocab: object } }).model.vocab).length;
  answer(`${options.output}: ${formatCount(size)} tokens${size < vocab ? ", all that the text gives" : ""}`);
}
