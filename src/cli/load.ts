/** File argument → Pipeline, for every command that takes a file. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { check, type Pipeline } from "../checker/index.js";
import { type Diagnostic, hasErrors } from "../diagnostics/index.js";
import type { Ast } from "../parser/ast.js";
import { parse } from "../parser/index.js";
import { type NodeHost, nodeHost } from "./host.js";
import { Exit, exit, showDiagnostics, usage } from "./output.js";

export interface LoadOptions {
  /** `--set name=value` (also `block.key=value`). */
  readonly set?: Readonly<Record<string, string>> | readonly string[];
}

export interface Loaded {
  /** Relative to the working folder, with `/`; `<stdin>` for `-`. */
  readonly path: string;
  readonly ast: Ast;
  readonly host: NodeHost;
  /** Absent where there are errors. */
  readonly pipeline?: Pipeline;
  readonly diagnostics: readonly Diagnostic[];
}

/** Parses and checks, and leaves it to the caller what to show. Throws `Exit` for wrong usage only. */
export function readPipeline(fileArg: string | undefined, options: LoadOptions = {}): Loaded {
  const host = nodeHost();
  const file = findFile(fileArg);
  if (file === stdin) host.put(stdin, readFileSync(0, "utf8"));
  const text = host.read(file);
  if (text === undefined) throw noFile(file);
  const { value: ast, diagnostics } = parse({ path: file, text });
  const checked = check(ast, host, { set: settings(options.set) });
  const all = [...diagnostics, ...checked.diagnostics];
  const pipeline = hasErrors(all) ? undefined : checked.value;
  return { path: file, ast, host, ...(pipeline === undefined ? {} : { pipeline }), diagnostics: all };
}

/** Parses, checks, shows the diagnostics on stderr, and ends with exit code 1 where there are errors. */
export function loadPipeline(
  fileArg: string | undefined,
  options: LoadOptions = {},
): Loaded & { readonly pipeline: Pipeline } {
  const loaded = readPipeline(fileArg, options);
  showDiagnostics(loaded.diagnostics, loaded.host.sources);
  if (loaded.pipeline === undefined) throw new Exit(exit.errors);
  return { ...loaded, pipeline: loaded.pipeline };
}

export const stdin = "<stdin>";

/** The file that is meant: `-` is standard input; none, or a folder, stands for the only `.llmp` in it. */
export function findFile(fileArg: string | undefined): string {
  if (fileArg === "-") return stdin;
  const named = fileArg ?? ".";
  const stat = statSync(named, { throwIfNoEntry: false });
  if (stat?.isDirectory() === true) {
    const files = readdirSync(named).filter((f) => f.endsWith(".llmp"));
    const [only] = files;
    if (only !== undefined && files.length === 1) return relative(path.join(named, only));
    const place = named === "." ? "this folder" : named;
    throw files.length === 0
      ? usage(`there is no .llmp file in ${place}`, "name one, or make one with `llmp init`")
      : usage(`there are ${files.length} .llmp files in ${place}`, `name one of them: ${files.slice(0, 5).join(", ")}`);
  }
  if (stat === undefined) throw noFile(named);
  return relative(named);
}

function noFile(named: string): Exit {
  const folder = path.dirname(named);
  const wanted = path.basename(named).toLowerCase();
  let near: string | undefined;
  try {
    near = readdirSync(folder).find(
      (f) =>
        f.endsWith(".llmp") &&
        (f.toLowerCase() === `${wanted}.llmp` || f.toLowerCase().includes(wanted.replace(/\.llmp$/, ""))),
    );
  } catch {
    // The folder is not there either.
  }
  return usage(`cannot read ${named}`, ...(near === undefined ? [] : [`did you mean ${path.join(folder, near)}?`]));
}

const relative = (file: string): string => path.relative(process.cwd(), path.resolve(file)).split(path.sep).join("/");

/** `["gpus=64"]` → `{ gpus: "64" }`. */
export function settings(set: LoadOptions["set"]): Readonly<Record<string, string>> {
  if (set === undefined) return {};
  if (!Array.isArray(set)) return set as Readonly<Record<string, string>>;
  return Object.fromEntries(
    (set as readonly string[]).map((one) => {
      const at = one.indexOf("=");
      if (at <= 0) throw usage(`--set ${one}: not of the form name=value`, "for example `--set gpus=64`");
      return [one.slice(0, at).trim(), one.slice(at + 1).trim()];
    }),
  );
}

/** For commander: collects a repeatable option. */
export const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];
