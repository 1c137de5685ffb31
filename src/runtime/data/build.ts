/** Files of a dataset → its token cache. Streams: memory holds one row (or a piece of text) and one write buffer. */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Dataset } from "../../checker/pipeline.js";
import { type Diagnostic, runCodes } from "../../diagnostics/index.js";
import { fail, RunFailure } from "../failure.js";
import { type ChatRenderer, chatRenderer, type TextTokenizer } from "../tokenizer/index.js";
import { CacheWriter, cacheKey, readMeta, TokenStore } from "./cache.js";
import { dataFiles } from "./files.js";
import { interpret, kindOf, RowFault } from "./interpret.js";
import { contents, textPieces } from "./lines.js";
import { containerOf, jsonRows, parquetRows } from "./rows.js";
import type { DataFile, Fault, Row, SampleKind } from "./types.js";

export interface BuildOptions {
  /** Folder of the root file. */
  readonly root: string;
  readonly tokenizer: TextTokenizer;
  /** What the objective can use, best first. */
  readonly kinds: readonly SampleKind[];
  /** For messages: `grpo`. */
  readonly objective: string;
  readonly completionsOnly: boolean;
  /** `fatal`: the first bad row ends the run. */
  readonly badRows: "skip" | "fatal";
  readonly onProgress?: (progress: { readonly dataset: string; readonly bytes: number; readonly of: number }) => void;
}

export interface BuiltDataset {
  readonly store: TokenStore;
  readonly fromCache: boolean;
  readonly diagnostics: readonly Diagnostic[];
}

const keptFaults = 20;

/** Opens the dataset's cache, building it first where it is missing or stale. */
export async function buildDataset(dataset: Dataset, options: BuildOptions): Promise<BuiltDataset> {
  const files = await dataFiles(dataset, options.root);
  const { tokenizer } = options;
  const columns = [
    dataset.field,
    dataset.prompt,
    dataset.completion,
    dataset.messages,
    dataset.chosen,
    dataset.rejected,
    dataset.answer,
  ];
  const key = cacheKey(files, [
    dataset.format.value,
    columns.map((c) => c?.value ?? null),
    tokenizer.fingerprint,
    tokenizer.vocab,
    options.kinds,
    options.completionsOnly,
  ]);
  const folder = join(options.root, ".llmp-cache", `${dataset.name}-${key}`);
  let meta = readMeta(folder);
  const fromCache = meta !== undefined;
  if (meta === undefined || (options.badRows === "fatal" && meta.faults > 0))
    meta = await build(dataset, files, folder, options);
  if (meta.tokens === 0)
    fail(
      runCodes.report(
        "LLMP6107",
        dataset.span,
        { dataset: dataset.name, what: meta.rows === 0 ? "rows" : "tokens" },
        {
          hints: meta.firstFaults.slice(0, 3).map((f) => `${f.place}: ${f.why}`),
        },
      ),
    );
  const diagnostics: Diagnostic[] = [];
  const [first] = meta.firstFaults;
  if (first !== undefined)
    diagnostics.push(
      runCodes.report(
        "LLMP6106",
        dataset.span,
        { dataset: dataset.name, count: meta.faults, rows: meta.rows, ...first },
        {
          hints: meta.firstFaults.slice(1, 4).map((f) => `${f.place}: ${f.why}`),
        },
      ),
    );
  return { store: new TokenStore(folder, meta), fromCache, diagnostics };
}

async function build(dataset: Dataset, files: readonly DataFile[], folder: string, options: BuildOptions) {
  const { tokenizer } = options;
  removeAbandoned(dirname(folder));
  const total = files.reduce((sum, file) => sum + file.size, 0);
  const firstFaults: Fault[] = [];
  let writer: CacheWriter | undefined;
  let kind: SampleKind | undefined;
  let rows = 0;
  let faults = 0;
  let done = 0;
  let renderer: ChatRenderer | undefined;
  const context = {
    dataset,
    tokenizer,
    completionsOnly: options.completionsOnly,
    chat: () => {
      renderer ??= chatRenderer(tokenizer);
      return renderer;
    },
  };
  const isText = (file: DataFile) => containerOf(file.path, dataset.format.value) === "text";
  const start = (chosen: SampleKind) => {
    kind = chosen;
    writer = new CacheWriter(folder, {
      dataset: dataset.name,
      kind: chosen,
      wholeFiles: files.every(isText),
      vocab: tokenizer.vocab,
    });
    return writer;
  };
  const fault = (place: string, why: string) => {
    if (options.badRows === "fatal") fail(runCodes.report("LLMP6105", dataset.span, { place, why }));
    faults++;
    if (firstFaults.length < keptFaults) firstFaults.push({ place, why });
  };
  try {
    for (const file of files) {
      try {
        if (isText(file)) {
          if (!options.kinds.includes("text")) lacks(dataset, options, "plain text");
          rows++;
          await textDocument(file, writer ?? start("text"), tokenizer);
        } else {
          for await (const row of rowsOf(file, dataset)) {
            rows++;
            if ("fault" in row) {
              fault(row.place, row.fault);
              continue;
            }
            kind ??= kindOf(row.value, dataset, options.kinds);
            if (kind === undefined) lacks(dataset, options, `columns ${Object.keys(row.value).join(", ") || "none"}`);
            try {
              (writer ?? start(kind)).sample(interpret(row.value, kind, context));
            } catch (error) {
              if (error instanceof RowFault) fault(row.place, error.message);
              else throw error;
            }
          }
        }
      } catch (error) {
        if (error instanceof RunFailure) throw error;
        fail(runCodes.report("LLMP6104", dataset.source.span, { path: file.path, why: (error as Error).message }));
      }
      done += file.size;
      options.onProgress?.({ dataset: dataset.name, bytes: done, of: total });
    }
    return (writer ?? start(options.kinds[0] ?? "text")).finish({ bytes: total, rows, faults, firstFaults });
  } catch (error) {
    writer?.abandon();
    throw error;
  }
}

/** Half-built caches of processes that are no more. */
function removeAbandoned(caches: string): void {
  if (!existsSync(caches)) return;
  for (const name of readdirSync(caches)) {
    const pid = Number(/\.(\d+)\.[0-9a-z]+\.partial$/.exec(name)?.[1] ?? Number.NaN);
    if (Number.isNaN(pid) || pid === process.pid) continue;
    try {
      process.kill(pid, 0);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ESRCH")
        rmSync(join(caches, name), { recursive: true, force: true });
    }
  }
}

function rowsOf(file: DataFile, dataset: Dataset): AsyncIterable<Row> {
  return containerOf(file.path, dataset.format.value) === "parquet" ? parquetRows(file) : jsonRows(file);
}

async function textDocument(file: DataFile, writer: CacheWriter, tokenizer: TextTokenizer): Promise<void> {
  let any = false;
  for await (const piece of textPieces(contents(file))) {
    writer.append(tokenizer.encode(piece));
    any = true;
  }
  if (!any) return;
  if (tokenizer.endOfText !== undefined) writer.append([tokenizer.endOfText]);
  writer.endDocument();
}

const needs: Record<SampleKind, string> = {
  text: "a text column (`field`)",
  completion: "`messages`, or `prompt` and `completion`",
  preference: "`chosen` and `rejected`",
  prompts: "`prompt` (and `answer`)",
};

function lacks(dataset: Dataset, options: BuildOptions, have: string): never {
  return fail(
    runCodes.report("LLMP6110", dataset.span, {
      dataset: dataset.name,
      objective: options.objective,
      needs: options.kinds.map((kind) => needs[kind]).join(", or "),
      have,
    }),
  );
}
