import path from "node:path";
import { Worker } from "node:worker_threads";
import { Command } from "commander";
import type { AnalysisReply, AnalysisRequest } from "../../lsp/types.js";
import { renderDiagnostics } from "../../report/terminal/diagnostics.js";
import type { Compiled } from "../../studio/index.js";
import { examples } from "../help.js";
import { packageRoot } from "../host.js";
import { findFile, stdin } from "../load.js";
import { answer, note, usage, withFiles } from "../output.js";

interface Options {
  readonly port?: string;
}

/** Plans in a thread, so that the page stays alive meanwhile; a save while it plans starts it anew. */
function compiler(file: string, onSources: (files: readonly string[]) => void) {
  let worker: Worker | undefined;
  let latest = 0;
  const compile = async (): Promise<Compiled | undefined> => {
    const id = ++latest;
    await worker?.terminate();
    if (id !== latest) return undefined;
    const mine = new Worker(path.join(packageRoot(), "dist/analysis-worker.js"));
    worker = mine;
    const reply = await new Promise<AnalysisReply | undefined>((resolve, reject) => {
      mine.once("message", resolve);
      mine.once("error", reject);
      mine.once("exit", () => resolve(undefined));
      const request: AnalysisRequest = { id, kind: "whole", root: process.cwd(), file, texts: [] };
      mine.postMessage(request);
    });
    if (id === latest) worker = undefined;
    await mine.terminate();
    if (reply === undefined || id !== latest) return undefined;
    if (reply.failure !== undefined) return { problems: reply.failure, errors: 1 };
    onSources([file, ...(reply.whole?.sources ?? []).map((s) => s.path)].filter((f) => !f.startsWith("std/")));
    return {
      problems: renderDiagnostics(reply.diagnostics, withFiles(reply.diagnostics), { color: false }),
      errors: Math.max(1, reply.diagnostics.filter((d) => d.severity === "error").length),
      ...(reply.whole === undefined ? {} : { plan: reply.whole }),
    };
  };
  return { compile, stop: async () => void (await worker?.terminate()) };
}

async function start(fileArg: string | undefined, options: Options): Promise<void> {
  const file = findFile(fileArg);
  if (file === stdin) throw usage("studio watches a file, not standard input");
  const port = Number(options.port ?? 0);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw usage(`--port ${options.port}: not a port`);
  const [{ startStudio }, { watch }] = await Promise.all([import("../../studio/index.js"), import("chokidar")]);
  const watcher = watch([], { ignoreInitial: true, awaitWriteFinish: { stabilityThreshold: 60, pollInterval: 20 } });
  const { compile, stop } = compiler(file, (files) => watcher.add([...files]));
  const studio = await startStudio({
    file,
    port,
    compile,
    watch: (changed) => {
      watcher.add(file);
      watcher.on("all", changed);
      return () => watcher.close();
    },
  }).catch((error: NodeJS.ErrnoException) => {
    throw error.code === "EADDRINUSE" ? usage(`port ${port} is taken`, "leave --port out to get a free one") : error;
  });
  answer(studio.url);
  note(`${file}: open this address in a browser of this machine; it plans anew on save. Stop with Ctrl-C`);
  const end = (): void => {
    void Promise.all([studio.close(), stop()]).then(() => process.exit(0));
  };
  process.once("SIGINT", end);
  process.once("SIGTERM", end);
}

export function command(): Command {
  return examples(
    new Command("studio")
      .description("A page beside the editor that plans anew on save (this machine only)")
      .argument("[file]", "a .llmp file, or a folder with one")
      .option("--port <n>", "listen on this port (default: a free one)")
      .action(start),
    ["llmp studio examples/medical-mix.llmp", "llmp studio --port 8765 plan.llmp"],
  );
}
