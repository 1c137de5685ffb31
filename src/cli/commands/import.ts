import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { Command } from "commander";
import { check } from "../../checker/index.js";
import { hasErrors, importCodes, type Outcome } from "../../diagnostics/index.js";
import { writeWhole } from "../../files/index.js";
import { buildGraph, fromHfConfig, modelBlock } from "../../model/index.js";
import { format, parse } from "../../parser/index.js";
import { formatCount } from "../../units/index.js";
import { examples } from "../help.js";
import { nodeHost } from "../host.js";
import { answer, answerJson, complain, Exit, exit, note, showDiagnostics, usage } from "../output.js";

interface Options {
  readonly output?: string;
  readonly name?: string;
  readonly json?: boolean;
}

/** `llmp import PATH` */
export function command(): Command {
  return examples(
    new Command("import")
      .description("Turn a Hugging Face config.json, or the folder of a model, into a model block")
      .argument("<path>", "the file or folder; - is standard input")
      .option("-o, --output <file>", "where to write; standard output if left out")
      .option("--name <name>", "of the model; from the folder's name unless given")
      .option("--json", "print JSON: the text, the model's parameters, and what was not carried over")
      .action((from: string, options: Options) => run(from, options)),
    ["llmp import ./Llama-3.1-8B -o llama.llmp", "llmp import config.json --name student > student.llmp"],
  );
}

function run(from: string, options: Options): void {
  if (options.name !== undefined && !/^[A-Za-z_]\w*$/.test(options.name))
    throw usage(`--name ${options.name}: not a name`, "letters, digits and _, not starting with a digit");
  const file = configFile(from);
  const imported = modelOf(from, file, options);
  showDiagnostics(imported.diagnostics, new Map());
  if (imported.value === undefined) throw new Exit(exit.errors);
  const { text, parameters } = checked(imported.value);
  if (options.output !== undefined) {
    try {
      writeWhole(options.output, text);
    } catch (error) {
      throw usage(`cannot write ${options.output}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (options.json === true) {
    const lost = imported.diagnostics.map((d) => d.message);
    answerJson({ schema: "llmp.import/1", source: from, kind: "huggingface", text, parameters, warnings: lost });
  } else if (options.output === undefined) answer(text);
  note(`${from}: ${formatCount(parameters)} parameters${options.output === undefined ? "" : ` → ${options.output}`}`);
}

function configFile(from: string): string {
  if (from === "-") return from;
  const stat = statSync(from, { throwIfNoEntry: false });
  if (stat === undefined) throw usage(`cannot read ${from}: there is no such file or folder`);
  return stat.isDirectory() ? path.join(from, "config.json") : from;
}

/** The text of a `.llmp` file. */
function modelOf(from: string, file: string, options: Options): Outcome<string> {
  const nothing = (why: string): Outcome<string> => ({
    diagnostics: [importCodes.report("LLMP7001", undefined, { path: from, why })],
  });
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file === "-" ? 0 : file, "utf8"));
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    return nothing(missing ? "the folder holds no config.json" : `${path.basename(file)}: ${(error as Error).message}`);
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

/** Laid out, and checked: what the import says must be a model that can be planned. */
function checked(draft: string): { readonly text: string; readonly parameters: number } {
  const source = { path: "imported.llmp", text: draft };
  const text = format(source, parse(source).value);
  const host = nodeHost();
  host.put(source.path, text);
  const parsed = parse({ path: source.path, text });
  const { value, diagnostics } = check(parsed.value, host);
  const all = [...parsed.diagnostics, ...diagnostics];
  showDiagnostics(all, host.sources);
  const [spec] = Object.values(value?.models ?? {});
  if (hasErrors(all) || spec === undefined) {
    complain("what was imported is not a model that can be planned; the file was not written");
    throw new Exit(exit.errors);
  }
  return { text, parameters: buildGraph(spec).parameters };
}
