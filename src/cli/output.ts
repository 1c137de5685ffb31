/** Answers go to stdout, progress and diagnostics to stderr; exit codes of the contract. */
import { writeSync } from "node:fs";
import type { Diagnostic } from "../diagnostics/index.js";
import { renderDiagnostics, type Sources } from "../report/terminal/diagnostics.js";
import { nodeHost } from "./host.js";

/** 0 done · 1 the file has errors · 2 wrong usage · 3 the run failed · 4 valid, but nothing fits or the budget is exceeded. */
export const exit = { ok: 0, errors: 1, usage: 2, failed: 3, infeasible: 4 } as const;

/** A mistake on the command line, or anything else that ends a command with a message and no stack. */
export class Exit extends Error {
  constructor(
    readonly code: number,
    message = "",
    readonly hints: readonly string[] = [],
  ) {
    super(message);
  }
}

export const usage = (message: string, ...hints: string[]): Exit => new Exit(exit.usage, message, hints);

export type ColorMode = "auto" | "always" | "never";

/** What the global options say; set once by main. */
export const globals: { color: ColorMode; quiet: boolean; verbose: boolean; input: boolean } = {
  color: "auto",
  quiet: false,
  verbose: false,
  input: true,
};

/** `--color` first, then NO_COLOR, then FORCE_COLOR, then whether it is a terminal. */
export function useColor(stream: { readonly isTTY?: boolean } = process.stdout): boolean {
  if (globals.color !== "auto") return globals.color === "always";
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
  if (NO_COLOR !== undefined && NO_COLOR !== "") return false;
  if (FORCE_COLOR !== undefined && FORCE_COLOR !== "") return FORCE_COLOR !== "0" && FORCE_COLOR !== "false";
  return stream.isTTY === true && TERM !== "dumb";
}

/** Whether a person may be asked. */
export const interactive = (): boolean =>
  globals.input && process.stdin.isTTY === true && process.stdout.isTTY === true && process.env.CI === undefined;

/** Columns to fill: a terminal's width, and no limit of ours in a pipe. */
export const width = (): number | undefined => (process.stdout.isTTY === true ? process.stdout.columns : undefined);

/** Written whole, even to a slow pipe, so that `process.exit` cuts nothing off. */
function write(fd: 1 | 2, text: string): void {
  const bytes = Buffer.from(text);
  let at = 0;
  while (at < bytes.length) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === "EAGAIN") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
      else if (code === "EPIPE") return;
      else throw error;
    }
  }
}

/** The answer. */
export const answer = (text: string): void => write(1, text.endsWith("\n") || text === "" ? text : `${text}\n`);
export const answerJson = (value: unknown): void => answer(JSON.stringify(value, undefined, 2));

/** Progress and remarks; silent with `-q`. */
export const note = (text: string): void => {
  if (!globals.quiet) write(2, text.endsWith("\n") ? text : `${text}\n`);
};

/** Always shown. */
export const complain = (text: string): void => write(2, text.endsWith("\n") ? text : `${text}\n`);

/** With `-q` only errors are shown. */
export function showDiagnostics(diagnostics: readonly Diagnostic[], sources: Sources = new Map()): void {
  const shown = globals.quiet ? diagnostics.filter((d) => d.severity === "error") : diagnostics;
  if (shown.length > 0)
    complain(renderDiagnostics(shown, withFiles(shown, sources), { color: useColor(process.stderr) }));
}

/** The texts that are pointed at, also those that only a plan knows of: a run's mistakes have their place in its file. */
export function withFiles(diagnostics: readonly Diagnostic[], sources: Sources = new Map()): Sources {
  const host = nodeHost();
  for (const { path, text } of sources.values()) host.put(path, text);
  // Planned elsewhere: a file that is not here is told without its place.
  for (const { primary, labels } of diagnostics)
    for (const label of [primary, ...labels])
      if (label !== undefined && label.span.file !== "") host.read(label.span.file);
  return host.sources;
}
