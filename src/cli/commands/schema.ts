import { readFileSync } from "node:fs";
import path from "node:path";
import { Argument, Command } from "commander";
import { blocks, statements } from "../../schema/index.js";
import { examples } from "../help.js";
import { packageRoot } from "../host.js";
import { answer, answerJson } from "../output.js";

export function command(): Command {
  return examples(
    new Command("schema")
      .description("Print the schema of the language, of the syntax tree or of plan.json")
      .addArgument(new Argument("[what]", "which one").choices(["language", "ast", "plan"]).default("language"))
      .option("--json", "JSON (as it is anyway)")
      .action((what: string) => {
        if (what === "language") answerJson({ schema: "llmp.language/1", statements, blocks });
        else answer(readFileSync(path.join(packageRoot(), `grammar/${what}.schema.json`), "utf8"));
      }),
    ["llmp schema", "llmp schema plan"],
  );
}
