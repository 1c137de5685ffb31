/** Everything but the fast path: commander, help, unknown words. */
import { Command, CommanderError, Option } from "commander";
import { nearest } from "../diagnostics/index.js";
import { type ColorMode, complain, Exit, exit, globals } from "./output.js";
import { commands } from "./table.js";
import { version } from "./version.js";

export async function dispatch(argv: readonly string[]): Promise<void> {
  const program = new Command("llmp")
    .description("Plan, run and emit LLM training from one file")
    .usage("[options] <command> [arguments]")
    .version(version(), "-V, --version", "print the version")
    .option("-C <dir>", "work in this folder")
    .option("-q, --quiet", "print only errors and the answer")
    .option("-v, --verbose", "print more")
    .addOption(new Option("--color <when>", "colour the output").choices(["auto", "always", "never"]).default("auto"))
    .option("--no-input", "never ask")
    .addHelpText("after", "\nExamples:\n  llmp plan examples/shakespeare.llmp\n  llmp run examples/shakespeare.llmp\n")
    .showSuggestionAfterError(true)
    .enablePositionalOptions();
  const at = commandAt(argv);
  const word = argv[at];
  const row = commands.find((c) => c.name === word);
  if (word !== undefined && row === undefined && word !== "help") {
    const near = nearest(
      word,
      commands.map((c) => c.name),
    );
    throw new Exit(exit.usage, `there is no command \`${word}\``, [
      near === undefined ? "`llmp --help` lists them" : `did you mean \`${near}\`?`,
    ]);
  }
  for (const c of commands) {
    if (c === row) {
      const loaded = (await c.load()).command();
      globalOptions(loaded);
      program.addCommand(loaded);
    } else program.addCommand(new Command(c.name).description(c.summary));
  }
  if (word === "help") {
    const topic = argv[at + 1];
    return dispatch(topic === undefined ? ["--help"] : [topic, "--help"]);
  }
  if (word === undefined && argv.length === 0) {
    program.outputHelp();
    return;
  }
  program.hook("preAction", (_, action) => {
    const options = action.optsWithGlobals() as {
      C?: string;
      quiet?: boolean;
      verbose?: boolean;
      color?: ColorMode;
      input?: boolean;
    };
    globals.quiet = options.quiet === true;
    globals.verbose = options.verbose === true;
    globals.color = options.color ?? "auto";
    globals.input = options.input !== false;
    if (options.C !== undefined)
      try {
        process.chdir(options.C);
      } catch {
        throw new Exit(exit.usage, `cannot enter ${options.C}`);
      }
  });
  quietExit(program);
  try {
    await program.parseAsync(argv as string[], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exitCode = error.exitCode === 0 ? exit.ok : exit.usage;
  }
}

/** Global options may also stand behind the command, where the command has none of that name. */
function globalOptions(command: Command): void {
  const taken = new Set(command.options.flatMap((o) => [o.short, o.long]));
  const add = (option: Option): void => {
    if (!taken.has(option.short) && !taken.has(option.long)) command.addOption(option.hideHelp());
  };
  add(new Option("-C <dir>"));
  add(new Option("-q, --quiet"));
  add(new Option("-v, --verbose"));
  add(new Option("--color <when>").choices(["auto", "always", "never"]));
  add(new Option("--no-input"));
  for (const sub of command.commands) globalOptions(sub);
}

function quietExit(command: Command): void {
  command.exitOverride().configureOutput({ outputError: (text) => complain(text.trimEnd()) });
  for (const sub of command.commands) quietExit(sub);
}

/** The place of the command: the first word that is neither an option nor the value of one. */
function commandAt(argv: readonly string[]): number {
  for (let i = 0; i < argv.length; i++) {
    const arg = argv[i] ?? "";
    if (arg === "-C" || arg === "--color") i++;
    else if (!arg.startsWith("-")) return i;
  }
  return argv.length;
}
