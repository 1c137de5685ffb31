import { Command } from "commander";
import { nearest } from "../../diagnostics/index.js";
import { examples } from "../help.js";
import { answer, answerJson, usage } from "../output.js";
import { kinds, listing } from "../things.js";

export function command(): Command {
  return examples(
    new Command("show")
      .description("Show one model, instance, objective, precision or example")
      .argument("<name>", "as `llmp ls` lists it")
      .option("--json", "print as JSON")
      .action((name: string, flags: { readonly json?: boolean }) => {
        const all = kinds.flatMap((kind) => listing(kind).map((t) => ({ kind, ...t })));
        const found = all.filter((t) => t.name === name);
        if (found.length === 0) {
          const near = nearest(
            name,
            all.map((t) => t.name),
          );
          throw usage(
            `nothing is called \`${name}\``,
            near === undefined ? "`llmp ls` lists all" : `did you mean \`${near}\`?`,
          );
        }
        if (flags.json === true) answerJson(found.map((t) => ({ kind: t.kind, name: t.name, ...t.json })));
        else answer(found.map((t) => `${t.name} (${t.kind.replace(/s$/, "")})\n\n${t.text()}`).join("\n"));
      }),
    ["llmp show ml.p5.48xlarge", "llmp show llama3_8b"],
  );
}
