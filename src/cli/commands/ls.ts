import { Argument, Command } from "commander";
import { examples } from "../help.js";
import { answer, answerJson } from "../output.js";
import { kinds, listing } from "../things.js";

export function command(): Command {
  return examples(
    new Command("ls")
      .description("List what can be written in a file: models, instances, objectives, precisions, examples")
      .addArgument(new Argument("[kind]", "only of this kind").choices(kinds))
      .option("--json", "print as JSON")
      .action((kind: (typeof kinds)[number] | undefined, flags: { readonly json?: boolean }) => {
        const wanted = kind === undefined ? kinds : [kind];
        if (flags.json === true) {
          answerJson(Object.fromEntries(wanted.map((k) => [k, listing(k).map((t) => ({ name: t.name, ...t.json }))])));
          return;
        }
        for (const k of wanted) {
          const rows = listing(k);
          const cells = rows.map((t) => [t.name, ...t.cells]);
          const widths = cells.reduce<number[]>((w, row) => row.map((c, i) => Math.max(w[i] ?? 0, c.length)), []);
          if (kind === undefined) answer(`${k}:`);
          for (const row of cells)
            answer(
              `${kind === undefined ? "  " : ""}${row
                .map((c, i) => c.padEnd(widths[i] ?? 0))
                .join("  ")
                .trimEnd()}`,
            );
          if (kind === undefined) answer("\n");
        }
      }),
    ["llmp ls instances", "llmp ls models --json"],
  );
}
