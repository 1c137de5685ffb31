import { Command, Option } from "commander";
import { runCheck } from "../check.js";
import { examples } from "../help.js";
import { collect } from "../load.js";

/** The example of how a command is made: a function that gives commander's Command, with two real examples. */
export function command(): Command {
  return examples(
    new Command("check")
      .description("Report every mistake in a file")
      .argument("[file]", "a .llmp file, a folder with one, or - for standard input")
      .option("--set <name=value>", "override a param, or a key of a block (repeatable)", collect)
      .addOption(new Option("--format <format>", "how to print").choices(["pretty", "short", "json", "github"]))
      .option("--json", "the same as --format json")
      .option("--resolved", "print the file with all defaults and where each value came from")
      .option("--deny-warnings", "end with exit code 1 on warnings too")
      .action((file: string | undefined, options) => {
        process.exitCode = runCheck(file, options);
      }),
    ["llmp check examples/shakespeare.llmp", "llmp check --resolved --set gpus=128 plan.llmp"],
  );
}
