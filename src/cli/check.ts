/** What `llmp check` does, apart from commander, so that the plain call starts fast. */
import { hasErrors } from "../diagnostics/index.js";
import { renderDiagnostics } from "../report/terminal/diagnostics.js";
import { readPipeline } from "./load.js";
import { answer, complain, exit, globals, note, useColor } from "./output.js";
import { resolved } from "./resolved.js";

export interface CheckFlags {
  readonly set?: readonly string[];
  readonly format?: "pretty" | "short" | "json" | "github";
  readonly json?: boolean;
  readonly resolved?: boolean;
  readonly denyWarnings?: boolean;
}

export function runCheck(file: string | undefined, flags: CheckFlags): number {
  const loaded = readPipeline(file, flags.set === undefined ? {} : { set: flags.set });
  const { diagnostics, pipeline, host } = loaded;
  const format = flags.json === true ? "json" : (flags.format ?? "pretty");
  const shown = globals.quiet ? diagnostics.filter((d) => d.severity === "error") : diagnostics;
  const text = renderDiagnostics(shown, host.sources, {
    format,
    color: format === "pretty" && useColor(process.stderr),
  });
  // What scripts asked for is the answer; what people read is a remark about the file.
  if (flags.resolved === true) {
    if (text !== "") complain(text);
    if (pipeline !== undefined) answer(resolved(loaded, pipeline));
  } else if (format === "pretty") {
    if (text !== "") complain(text);
  } else answer(text);
  const warned = diagnostics.some((d) => d.severity === "warning");
  if (hasErrors(diagnostics) || (flags.denyWarnings === true && warned)) return exit.errors;
  if (format === "pretty" && flags.resolved !== true && !warned) {
    const n = pipeline?.stages.length ?? 0;
    note(`${loaded.path}: no mistakes (${n} stage${n === 1 ? "" : "s"})`);
  }
  return exit.ok;
}
