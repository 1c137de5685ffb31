import { readFileSync, statSync } from "node:fs";
import { Command } from "commander";
import { hasErrors } from "../../diagnostics/index.js";
import { writeWhole } from "../../files/index.js";
import { format, parse } from "../../parser/index.js";
import { lineDiff } from "../diff.js";
import { examples } from "../help.js";
import { glob } from "../host.js";
import { findFile, stdin } from "../load.js";
import { answer, exit, note, showDiagnostics, useColor } from "../output.js";

interface Flags {
  readonly check?: boolean;
  readonly diff?: boolean;
}

export function command(): Command {
  return examples(
    new Command("fmt")
      .description("Lay files out in the one way (in place)")
      .argument("[files...]", "files or folders; - reads standard input and prints")
      .option("--check", "write nothing; exit code 1 where a file is not laid out so")
      .option("--diff", "write nothing; print what would change")
      .action((files: string[], flags: Flags) => {
        process.exitCode = run(files, flags);
      }),
    ["llmp fmt examples/shakespeare.llmp", "llmp fmt --check examples"],
  );
}

function run(args: readonly string[], flags: Flags): number {
  let code: number = exit.ok;
  for (const path of paths(args)) {
    const text = readFileSync(path === stdin ? 0 : path, "utf8");
    const source = { path, text };
    const { value, diagnostics } = parse(source);
    if (hasErrors(diagnostics)) {
      // Nothing is laid out that was not understood whole.
      showDiagnostics(diagnostics, [source]);
      code = exit.errors;
      continue;
    }
    const printed = format(source, value);
    const changed = printed !== text;
    if (flags.diff === true && changed) answer(lineDiff(path, text, printed, useColor()));
    if (flags.check === true) {
      if (changed) {
        if (flags.diff !== true) note(`${path}: not formatted`);
        code = exit.errors;
      }
    } else if (flags.diff !== true) {
      if (path === stdin) answer(printed);
      else if (changed) {
        writeWhole(path, printed);
        note(`formatted ${path}`);
      }
    }
  }
  return code;
}

function paths(args: readonly string[]): readonly string[] {
  if (args.length === 0) return [findFile(undefined)];
  return args.flatMap((arg) =>
    statSync(arg, { throwIfNoEntry: false })?.isDirectory() === true
      ? glob(arg, "**/*.llmp").map((f) => `${arg.replace(/\/$/, "")}/${f}`)
      : [findFile(arg)],
  );
}
