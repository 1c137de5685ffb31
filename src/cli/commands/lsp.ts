import path from "node:path";
import { Worker } from "node:worker_threads";
import { Command } from "commander";
import { examples } from "../help.js";
import { packageRoot } from "../host.js";
import { version } from "../version.js";

async function start(): Promise<void> {
  const { createConnection, ProposedFeatures } = await import("vscode-languageserver/node");
  const { serve } = await import("../../lsp/index.js");
  const root = packageRoot();
  const connection = createConnection(ProposedFeatures.all, process.stdin, process.stdout);
  serve({
    connection,
    version: version(),
    std: root,
    spawn: () => new Worker(path.join(root, "dist/analysis-worker.js")),
  });
}

export function command(): Command {
  return examples(
    new Command("lsp")
      .description("The language server, over standard input and output (docs/EDITORS.md says how editors start it)")
      .option("--stdio", "over standard input and output (always so)")
      .allowExcessArguments(false)
      .action(start),
    ["llmp lsp", "llmp lsp --stdio"],
  );
}
