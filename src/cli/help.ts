import type { Command } from "commander";

/** Every command's help ends in examples that work as they stand. */
export const examples = (command: Command, lines: readonly [string, string, ...string[]]): Command =>
  command.addHelpText("after", `\nExamples:\n${lines.map((l) => `  ${l}`).join("\n")}\n`);
