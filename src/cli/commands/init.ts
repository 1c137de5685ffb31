import { existsSync, writeFileSync } from "node:fs";
import { Command, Option } from "commander";
import { format, parse } from "../../parser/index.js";
import { examples } from "../help.js";
import { answer, exit, interactive, note, usage } from "../output.js";
import { type Template, templates } from "../templates.js";

interface Flags {
  readonly template?: string;
  readonly yes?: boolean;
  readonly force?: boolean;
}

export function command(): Command {
  return examples(
    new Command("init")
      .description("Write a commented starter file")
      .argument("[file]", "where to write; - prints it", "main.llmp")
      .addOption(new Option("--template <name>", "which starter").choices(templates.map((t) => t.name)))
      .option("-y, --yes", "ask nothing (pretrain, unless --template says otherwise)")
      .option("--force", "write over a file that is there")
      .addHelpText("after", `\nTemplates:\n${templates.map((t) => `  ${t.name.padEnd(10)} ${t.about}`).join("\n")}`)
      .action(async (file: string, flags: Flags) => {
        process.exitCode = await run(file, flags);
      }),
    ["llmp init --template sft", "llmp init --yes first.llmp"],
  );
}

async function run(file: string, flags: Flags): Promise<number> {
  const template = await choose(flags);
  if (template === undefined) return exit.usage;
  const source = { path: file, text: template.text };
  const text = format(source, parse(source).value);
  if (file === "-") {
    answer(text);
    return exit.ok;
  }
  if (flags.force !== true && existsSync(file))
    throw usage(`${file} is already there`, "name another file, or add --force");
  writeFileSync(file, text, { flag: flags.force === true ? "w" : "wx" });
  note(`wrote ${file} (${template.about})\n  next: llmp check ${file}`);
  return exit.ok;
}

async function choose(flags: Flags): Promise<Template | undefined> {
  const named = flags.template ?? (flags.yes === true || !interactive() ? "pretrain" : undefined);
  if (named !== undefined) return templates.find((t) => t.name === named);
  const { isCancel, select } = await import("@clack/prompts");
  const chosen = await select({
    message: "What is to be trained?",
    options: templates.map((t) => ({ value: t.name, label: t.name, hint: t.about })),
  });
  return isCancel(chosen) ? undefined : templates.find((t) => t.name === chosen);
}
