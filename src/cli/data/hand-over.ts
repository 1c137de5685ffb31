/**
 * `llmp data build -o`: a stage's rows in the planned mix and order, in files that its engine reads in place of raw data.
 *
 * `rows.jsonl`    {tokens, targets, positions?}: targets are the next tokens, -100 where nothing is learned
 * `pairs.jsonl`   {prompt_ids, chosen_ids, rejected_ids} (DPO)
 * `samples.jsonl` {dataset, prompt, answer} (GRPO)
 * `phase-N_text_document.{bin,idx}` Megatron's indexed dataset: a row a document (Megatron only)
 * `adapter/`      what the stage's LoRA matrices start from, in PEFT's format
 * `tokenizer/`    as the runtime tokenises; `prepared.json` what it all is of
 */
import { once } from "node:events";
import { createWriteStream, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { writeWhole } from "../../files/index.js";
import type { Plan } from "../../planner/plan.js";
import { openPlannedData, type StageSource } from "../../runtime/data/index.js";
import type { TextTokenizer } from "../../runtime/tokenizer/index.js";
import { adapterFolder, writeStartingAdapter } from "./adapter-start.js";
import { IndexedWriter } from "./megatron-indexed.js";

export interface HandOver {
  readonly stage: string;
  readonly folder: string;
  readonly rows: number;
  readonly files: readonly string[];
}

export interface HandOverOptions {
  /** Folder of the `.llmp` file. */
  readonly root: string;
  /** Where the stage's files go. */
  readonly folder: string;
  readonly badRows?: "skip" | "fatal";
  readonly onProgress?: (step: number, steps: number) => void;
}

/** Writes what stage `index` of a plan reads; streams, so that the data may be larger than memory. */
export async function handOver(plan: Plan, index: number, options: HandOverOptions): Promise<HandOver> {
  const { pipeline } = plan;
  const planned = plan.stages[index];
  const stage = pipeline.stages.find((s) => s.name === planned?.name);
  if (planned === undefined || stage === undefined) throw new Error(`stage ${index} is not in the plan`);
  const { steps, global_batch: sequences, context_length: length } = planned;
  const known = readPrepared(options.folder);
  if (known?.plan === plan.hash && known.stage === stage.name && known.steps === steps)
    return { stage: stage.name, folder: options.folder, rows: known.rows, files: known.files };
  const { source, tokenizer } = await openPlannedData(pipeline, stage, planned, options.root, {
    badRows: options.badRows ?? "skip",
  });
  mkdirSync(options.folder, { recursive: true });
  rmSync(path.join(options.folder, "prepared.json"), { force: true });
  const starts = source.mix.phases.map((p) => Math.round(p.from * steps));
  const sink =
    planned.engine === "megatron" ? indexedSink(options.folder, starts) : lineSink(options.folder, source, tokenizer);
  let rows = 0;
  try {
    for (let step = 0; step < steps; step++) {
      rows += await sink.put(await source.batch(step), step);
      options.onProgress?.(step + 1, steps);
    }
    const files = [...(await sink.end())];
    if (writeStartingAdapter(plan, stage, options.folder)) files.push(adapterFolder);
    mkdirSync(path.join(options.folder, "tokenizer"), { recursive: true });
    for (const [name, text] of Object.entries(tokenizer.files()))
      writeWhole(path.join(options.folder, "tokenizer", name), text);
    const about: Prepared = {
      schema: "llmp.prepared/1",
      plan: plan.hash,
      stage: stage.name,
      engine: planned.engine,
      kind: source.kind,
      steps,
      sequences,
      length,
      rows,
      files,
    };
    writeWhole(path.join(options.folder, "prepared.json"), `${JSON.stringify(about, null, 2)}\n`);
    return { stage: stage.name, folder: options.folder, rows, files };
  } catch (error) {
    await sink.drop();
    throw error;
  } finally {
    await source.close();
  }
}

type Batch = Awaited<ReturnType<StageSource["batch"]>>;

interface Prepared {
  readonly schema: "llmp.prepared/1";
  readonly plan: string;
  readonly stage: string;
  readonly engine: string;
  readonly kind: string;
  readonly steps: number;
  readonly sequences: number;
  readonly length: number;
  readonly rows: number;
  readonly files: readonly string[];
}

/** Written last: what it tells of is whole. */
function readPrepared(folder: string): Prepared | undefined {
  try {
    return JSON.parse(readFileSync(path.join(folder, "prepared.json"), "utf8")) as Prepared;
  } catch {
    return undefined;
  }
}

interface Sink {
  /** Gives the number of rows written. */
  put(batch: Batch, step: number): Promise<number> | number;
  /** Puts the files in place; their names. */
  end(): Promise<readonly string[]>;
  drop(): Promise<void>;
}

function lineSink(folder: string, source: StageSource, tokenizer: TextTokenizer): Sink {
  const [name, make] =
    source.kind === "preference"
      ? (["pairs.jsonl", pairLines] as const)
      : source.kind === "prompts"
        ? (["samples.jsonl", promptLines(source, tokenizer)] as const)
        : (["rows.jsonl", rowLines] as const);
  const target = path.join(folder, name);
  const partial = `${target}.${process.pid}.partial`;
  const stream = createWriteStream(partial);
  let failure: Error | undefined;
  stream.on("error", (error) => {
    failure = error;
  });
  return {
    async put(batch) {
      const lines = make(batch);
      if (failure !== undefined) throw failure;
      if (!stream.write(lines.map((line) => `${JSON.stringify(line)}\n`).join(""))) await once(stream, "drain");
      return lines.length;
    },
    async end() {
      await new Promise<void>((done) => stream.end(done));
      if (failure !== undefined) throw failure;
      renameSync(partial, target);
      return [name];
    },
    async drop() {
      stream.destroy();
      rmSync(partial, { force: true });
    },
  };
}

function rowLines(batch: Batch): object[] {
  const { length } = batch;
  return Array.from({ length: batch.sequences }, (_, row) => {
    const from = row * length;
    const to = from + length;
    return {
      tokens: [...batch.tokens.subarray(from, to)],
      targets: Array.from(batch.targets.subarray(from, to), (id, i) => (batch.weights[from + i] === 0 ? -100 : id)),
      ...(batch.positions === undefined ? {} : { positions: [...batch.positions.subarray(from, to)] }),
    };
  });
}

/** Rows 2i and 2i + 1 are a pair; the first learned target starts the completion. */
function pairLines(batch: Batch): object[] {
  const { length } = batch;
  const completion = (row: number): { readonly first: number; readonly ids: readonly number[] } => {
    const ids: number[] = [];
    let first = -1;
    for (let i = 0; i < length; i++) {
      if (batch.weights[row * length + i] === 0) continue;
      if (first < 0) first = i;
      ids.push(batch.targets[row * length + i] as number);
    }
    return { first: Math.max(0, first), ids };
  };
  return Array.from({ length: batch.sequences / 2 }, (_, pair) => {
    const chosen = completion(2 * pair);
    const rejected = completion(2 * pair + 1);
    const from = 2 * pair * length;
    return {
      prompt_ids: [...batch.tokens.subarray(from, from + chosen.first + 1)],
      chosen_ids: chosen.ids,
      rejected_ids: rejected.ids,
    };
  });
}

const promptLines =
  (source: StageSource, tokenizer: TextTokenizer) =>
  (batch: Batch): object[] =>
    Array.from({ length: batch.sequences }, (_, row) => {
      const from = row * batch.length;
      return {
        dataset: source.datasetNames[batch.datasets?.[row] ?? 0] ?? "",
        prompt: tokenizer.decode([...batch.tokens.subarray(from, from + (batch.promptLengths?.[row] ?? 0))]),
        answer: batch.answers?.[row] ?? "",
      };
    });

/** One indexed dataset a phase of the mix: Megatron shuffles within a run's dataset, never across phases. */
function indexedSink(folder: string, starts: readonly number[]): Sink {
  const writers = starts.map((_, phase) => new IndexedWriter(path.join(folder, `phase-${phase}_text_document`)));
  return {
    put(batch, step) {
      const phase = starts.findLastIndex((start) => step >= start);
      for (let row = 0; row < batch.sequences; row++)
        writers[phase]?.add(batch.tokens.subarray(row * batch.length, (row + 1) * batch.length));
      return batch.sequences;
    },
    async end() {
      return writers.flatMap((writer) => writer.end());
    },
    async drop() {
      for (const writer of writers) writer.drop();
    },
  };
}
