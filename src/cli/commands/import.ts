import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { Command, Option } from "commander";
import { check } from "../../checker/index.js";
import { hasErrors, importCodes, type Outcome } from "../../diagnostics/index.js";
import { writeWhole } from "../../files/index.js";
import { type ImportHost, type ImportSource, importConfig, importerOf, importers } from "../../import/index.js";
import { buildGraph, fromHfConfig, modelBlock } from "../../model/index.js";
import { format, parse } from "../../parser/index.js";
import { formatCount } from "../../units/index.js";
import { examples } from "../help.js";
import { nodeHost } from "../host.js";
import { answer, answerJson, complain, Exit, exit, note, showDiagnostics, usage } from "../output.js";
import { listing } from "../things.js";

const huggingface = "huggingface";

interface Options {
  readonly from?: string;
  readonly output?: string;
  readonly name?: string;
  readonly model?: string;
  readonly gpus?: string;
  readonly instance?: string;
  readonly entry?: string;
  readonly json?: boolean;
}

/** `llmp import PATH` */
export function command(): Command {
  return examples(
    new Command("import")
      .description(
        "Turn another tool's configuration into a .llmp file: a Hugging Face model (config.json or its folder), axolotl YAML, torchtitan TOML or Python, Megatron-LM arguments, arguments of TRL's scripts, a HyperPod recipe. What cannot be carried over is said on stderr.",
      )
      .argument("<path>", "the file or folder; - is standard input")
      .addOption(
        new Option("--from <kind>", "what it is; found by its content unless given").choices([
          huggingface,
          ...importers.map((i) => i.kind),
        ]),
      )
      .option("-o, --output <file>", "where to write; standard output if left out")
      .option("--name <name>", "of a Hugging Face model; from the folder's name unless given")
      .option("--model <model>", "a bundled model or a folder with config.json, instead of what the file names")
      .option("--gpus <number>", "in all, where the file leaves it to the launcher")
      .option("--instance <type>", "of the machines, as `llmp ls instances` lists them")
      .option("--entry <function>", "which function of a Python configuration")
      .option("--json", "print JSON: the text, the model's parameters, and what was not carried over")
      .action((from: string, options: Options) => run(from, options)),
    ["llmp import ./Llama-3.1-8B -o llama.llmp", "llmp import axolotl.yml --gpus 8 -o tune.llmp"],
  );
}

function run(from: string, options: Options): void {
  if (options.name !== undefined && !/^[A-Za-z_]\w*$/.test(options.name))
    throw usage(`--name ${options.name}: not a name`, "letters, digits and _, not starting with a digit");
  const gpus = options.gpus === undefined ? undefined : Number(options.gpus);
  if (gpus !== undefined && !(Number.isSafeInteger(gpus) && gpus > 0))
    throw usage(`--gpus ${options.gpus}: not a whole number above 0`);
  const file = configFile(from);
  const kind = options.from ?? kindOf(file);
  const imported = kind === huggingface ? modelOf(from, file, options) : other(kind, from, file, options, gpus);
  showDiagnostics(imported.diagnostics, new Map());
  if (imported.value === undefined) throw new Exit(exit.errors);
  const { text, parameters } = checked(imported.value, options.output);
  if (options.output !== undefined) {
    try {
      writeWhole(options.output, text);
    } catch (error) {
      throw usage(`cannot write ${options.output}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (options.json === true) {
    const warnings = imported.diagnostics.map((d) => d.message);
    answerJson({ schema: "llmp.import/1", source: from, kind, text, parameters, warnings });
  } else if (options.output === undefined) answer(text);
  note(`${from}: ${formatCount(parameters)} parameters${options.output === undefined ? "" : ` → ${options.output}`}`);
}

function configFile(from: string): string {
  if (from === "-") return from;
  const stat = statSync(from, { throwIfNoEntry: false });
  if (stat === undefined) throw usage(`cannot read ${from}: there is no such file or folder`);
  return stat.isDirectory() ? path.join(from, "config.json") : from;
}

let standardInput: string | undefined;
function read(file: string): string {
  if (file !== "-") return readFileSync(file, "utf8");
  standardInput ??= readFileSync(0, "utf8");
  return standardInput;
}

/** JSON is a model's; the rest is asked for. */
function kindOf(file: string): string | undefined {
  if (file.endsWith(".json") || !(file === "-" || existsSync(file))) return huggingface;
  const source = { path: file, text: read(file) };
  return /^\s*[{[]/.test(source.text) ? huggingface : importerOf(source)?.kind;
}

function other(
  kind: string | undefined,
  from: string,
  file: string,
  options: Options,
  gpus: number | undefined,
): Outcome<string> {
  const importer = importers.find((i) => i.kind === kind);
  const source: ImportSource = { path: from, text: read(file) };
  if (importer === undefined) {
    const why = "it is of no kind that is known";
    const hints = [`--from says which: ${[huggingface, ...importers.map((i) => i.kind)].join(", ")}`];
    return { diagnostics: [importCodes.report("LLMP7001", undefined, { path: from, why }, { hints })] };
  }
  const folder = file === "-" ? "." : path.dirname(file);
  const host: ImportHost = {
    models: listing("models").map((m) => ({ name: m.name, family: String(m.json.import) })),
    config: (name) => localConfig(path.resolve(folder, name)) ?? localConfig(path.resolve(name)),
    ...(gpus === undefined ? {} : { gpus }),
    ...(options.instance === undefined ? {} : { instance: options.instance }),
    ...(options.model === undefined ? {} : { model: options.model }),
    ...(options.entry === undefined ? {} : { entry: options.entry }),
  };
  const { value, diagnostics } = importConfig(importer, source, host);
  if (value === undefined) return { diagnostics };
  return { value: `# From ${JSON.stringify(from)} (${importer.title}).\n\n${value}`, diagnostics };
}

function localConfig(folder: string): unknown {
  const file = path.join(folder, "config.json");
  try {
    return statSync(file, { throwIfNoEntry: false })?.isFile() === true
      ? JSON.parse(readFileSync(file, "utf8"))
      : undefined;
  } catch {
    return undefined;
  }
}

/** A Hugging Face configuration as text of a `.llmp` file. */
function modelOf(from: string, file: string, options: Options): Outcome<string> {
  let json: unknown;
  try {
    json = JSON.parse(read(file));
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    const why = missing ? "the folder holds no config.json" : `${path.basename(file)}: ${(error as Error).message}`;
    return { diagnostics: [importCodes.report("LLMP7001", undefined, { path: from, why })] };
  }
  const { value, diagnostics } = fromHfConfig(json, file);
  if (value === undefined) return { diagnostics };
  const folder = file === "-" ? undefined : path.dirname(file);
  const weights = folder === undefined || !holdsWeights(folder) ? {} : { weights: reference(folder, options.output) };
  const named = (json as { _name_or_path?: unknown })._name_or_path;
  const name = options.name ?? nameOf(folder === undefined ? "" : path.basename(path.resolve(folder)), named);
  return { value: `# From ${JSON.stringify(from)}.\n\n${modelBlock(name, { ...value, ...weights })}`, diagnostics };
}

const holdsWeights = (folder: string): boolean =>
  existsSync(folder) && readdirSync(folder).some((f) => /^model.*\.safetensors(\.index\.json)?$/.test(f));

/** Paths in a file are relative to it. */
const reference = (folder: string, output: string | undefined): string => {
  const relative = path
    .relative(output === undefined ? "." : path.dirname(output), folder)
    .split(path.sep)
    .join("/");
  return relative === "" ? "." : relative;
};

function nameOf(folder: string, given: unknown): string {
  const hint = typeof given === "string" && given !== "" ? (given.split("/").at(-1) ?? "") : folder;
  const name = hint
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "_")
    .replace(/^_+|_+$/g, "");
  if (name === "" || name === "model") return "imported";
  return /^\d/.test(name) ? `m${name}` : name;
}

/** Laid out, and checked where it will lie: what the import says must be a file that can be planned. */
function checked(draft: string, output: string | undefined): { readonly text: string; readonly parameters: number } {
  const place =
    output === undefined ? "imported.llmp" : path.relative(".", path.resolve(output)).split(path.sep).join("/");
  const source = { path: place, text: draft };
  const text = format(source, parse(source).value);
  const host = nodeHost();
  host.put(place, text);
  const parsed = parse({ path: place, text });
  const { value, diagnostics } = check(parsed.value, host);
  const all = [...parsed.diagnostics, ...diagnostics];
  showDiagnostics(all, host.sources);
  const [stage] = value?.stages ?? [];
  const spec = stage === undefined ? Object.values(value?.models ?? {})[0] : value?.models[stage.model.value];
  if (hasErrors(all) || spec === undefined) {
    complain("what was imported cannot be planned as it stands; the file was not written");
    throw new Exit(exit.errors);
  }
  return { text, parameters: buildGraph(spec).parameters };
}
