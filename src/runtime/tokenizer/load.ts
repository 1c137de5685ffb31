import { existsSync, readFileSync } from "node:fs";
import { dirname, isAbsolute, join, resolve } from "node:path";
import type { Pipeline, Stage, Tokenizer } from "../../checker/pipeline.js";
import { runCodes } from "../../diagnostics/index.js";
import { fail } from "../failure.js";
import { byteTokenizer } from "./bytes.js";
import { jsonTokenizer } from "./json.js";
import type { TextTokenizer } from "./types.js";

export interface LoadTokenizerOptions {
  /** Folder of the root file: paths are relative to it. */
  readonly folder: string;
  /** Size of the model's embedding: the byte tokenizer keeps its specials within it. */
  readonly vocab?: number;
}

/** The tokenizer of a stage; bytes where the file names none. */
export const stageTokenizer = (
  pipeline: Pipeline,
  { tokenizer }: Stage,
  options: LoadTokenizerOptions,
): Promise<TextTokenizer> =>
  loadTokenizer(tokenizer === undefined ? undefined : pipeline.tokenizers[tokenizer.value], options);

/** Bytes where there is no `spec`. */
export async function loadTokenizer(
  spec: Tokenizer | undefined,
  options: LoadTokenizerOptions,
): Promise<TextTokenizer> {
  const template = spec?.chatTemplate === undefined ? undefined : readTemplate(spec.chatTemplate.value, options.folder);
  if (spec === undefined || spec.kind.value === "bytes") return byteTokenizer(options.vocab, template);
  const file = spec.file?.value;
  if (file === undefined)
    fail(runCodes.report("LLMP6101", spec.span, { path: spec.name, why: "`kind = bpe` needs a `file`" }));
  return tokenizerFromFile(isAbsolute(file) ? file : resolve(options.folder, file), template);
}

/** A `tokenizer.json`, or a folder with one (and its `tokenizer_config.json`, `chat_template.jinja`). */
export async function tokenizerFromFile(path: string, chatTemplate?: string): Promise<TextTokenizer> {
  const file = path.endsWith(".json") ? path : join(path, "tokenizer.json");
  if (!existsSync(file)) fail(runCodes.report("LLMP6101", undefined, { path: file, why: "there is no such file" }));
  const beside = (name: string): string | undefined => {
    const at = join(dirname(file), name);
    return existsSync(at) ? readFileSync(at, "utf8") : undefined;
  };
  const config = beside("tokenizer_config.json");
  const template = chatTemplate ?? beside("chat_template.jinja");
  return jsonTokenizer({
    path: file,
    json: readFileSync(file, "utf8"),
    ...(config === undefined ? {} : { config }),
    ...(template === undefined ? {} : { chatTemplate: template }),
  });
}

/** A template is written out, or the path of a file that holds it. */
function readTemplate(value: string, folder: string): string {
  if (value.includes("{%") || value.includes("{{") || value.includes("\n")) return value;
  const path = resolve(folder, value);
  if (!existsSync(path)) fail(runCodes.report("LLMP6102", undefined, { why: `there is no file ${value}` }));
  return readFileSync(path, "utf8");
}
