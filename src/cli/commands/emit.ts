import { Command } from "commander";
import { hasErrors } from "../../diagnostics/index.js";
import { emit, emitters } from "../../emit/index.js";
import { writeFolder } from "../emit/folder.js";
import { examples } from "../help.js";
import { collect } from "../load.js";
import { answer, answerJson, Exit, exit, note, showDiagnostics, usage } from "../output.js";
import { loadPlan } from "../plan/input.js";

interface Options {
  readonly dir?: string;
  readonly list?: boolean;
  readonly dryRun?: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
  readonly prepared?: string;
  readonly set?: readonly string[];
}

function list(json: boolean): void {
  const rows = emitters.map(({ name, doc, providers }) => ({ name, doc, providers }));
  if (json) {
    answerJson(rows);
    return;
  }
  const width = Math.max(...rows.map((r) => r.name.length));
  answer(rows.map((r) => `${r.name.padEnd(width)}  ${r.doc} (provider = ${r.providers.join(" | ")})`).join("\n"));
}

async function runEmit(target: string | undefined, file: string | undefined, options: Options): Promise<void> {
  if (options.list === true) {
    list(options.json === true);
    return;
  }
  if (target === undefined) throw usage("which target?", `targets: ${emitters.map((e) => e.name).join(", ")}`);
  if (!emitters.some((e) => e.name === target)) {
    // The same words as the library's, but a wrong word on the command line is wrong usage.
    const [unknown] = (await emit(target, { stages: [] } as never)).diagnostics;
    throw usage(unknown?.message ?? "unknown target", ...(unknown?.hints ?? []));
  }
  const plan = await loadPlan(file, options.set === undefined ? {} : { set: options.set });
  const outcome = await emit(target, plan, {
    read: () => undefined,
    ...(options.prepared === undefined ? {} : { prepared: options.prepared }),
  });
  showDiagnostics(outcome.diagnostics, new Map());
  if (outcome.value === undefined || hasErrors(outcome.diagnostics)) throw new Exit(exit.errors);
  const stem = (plan.source.split("/").pop() ?? "job").replace(/\.(llmp|json)$/, "");
  const folder = options.dir ?? `${stem}-${target}`;
  const paths = outcome.value.map((f) => f.path).sort();
  if (options.dryRun !== true) {
    const problem = writeFolder(folder, outcome.value, options.force === true);
    if (problem !== undefined) {
      showDiagnostics([problem], new Map());
      throw new Exit(exit.errors);
    }
  }
  if (options.json === true) {
    answerJson({ target, folder, written: options.dryRun !== true, files: paths });
    return;
  }
  answer(paths.map((p) => `${folder}/${p}`).join("\n"));
  note(options.dryRun === true ? "nothing was written (--dry-run)" : `${folder}/README.md says how to start it`);
}

export function command(): Command {
  return examples(
    new Command("emit")
      .description("Write job specifications and engine configuration for a plan")
      .argument(
        "[target]",
        "sagemaker, hyperpod-eks, hyperpod-slurm, recipe, batch, kubernetes, slurm, engine, typescript",
      )
      .argument("[file]", "a .llmp file, a plan (.json), a folder with one .llmp, or - for standard input")
      .option("-d, --dir <folder>", "where to write (default: FILE-TARGET)")
      .option("--list", "list the targets")
      .option("--dry-run", "only list the files that would be written")
      .option("--force", "replace a folder that holds other files")
      .option("--set <name=value>", "override a param, or a key of a block (repeatable)", collect)
      .option("--prepared <folder>", "read what `llmp data build -o` wrote (a folder or s3://…) in place of raw data")
      .option("--json", "the answer as JSON")
      .action(runEmit),
    ["llmp emit sagemaker examples/llama3-8b-p5.llmp -d job", "llmp emit engine x.plan.json --dry-run"],
  );
}
