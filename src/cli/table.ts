/** All commands. One line each; a file is loaded only when its command is called. */
import type { Command } from "commander";

export interface CommandRow {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<{ readonly command: () => Command }>;
}

export const commands: readonly CommandRow[] = [
  { name: "init", summary: "Write a commented starter file", load: () => import("./commands/init.js") },
  { name: "ls", summary: "List what can be written in a file", load: () => import("./commands/ls.js") },
  {
    name: "show",
    summary: "Show one model, instance, objective, precision or example",
    load: () => import("./commands/show.js"),
  },
  {
    name: "import",
    summary: "Turn another tool's configuration into a file",
    load: () => import("./commands/import.js"),
  },
  { name: "check", summary: "Report every mistake in a file", load: () => import("./commands/check.js") },
  { name: "fmt", summary: "Lay files out in the one way", load: () => import("./commands/fmt.js") },
  {
    name: "plan",
    summary: "Decide what is left open; predict memory, time, cost",
    load: () => import("./commands/plan.js"),
  },
  {
    name: "graph",
    summary: "Show a model op by op: parameters, FLOPs, saved bytes",
    load: () => import("./commands/graph.js"),
  },
  { name: "diff", summary: "Compare two plans or files", load: () => import("./commands/diff.js") },
  { name: "sweep", summary: "Tabulate plans over lists of settings", load: () => import("./commands/sweep.js") },
  { name: "run", summary: "Run a plan on this machine", load: () => import("./commands/run.js") },
  {
    name: "doctor",
    summary: "Show what this machine can run, and measure it",
    load: () => import("./commands/doctor.js"),
  },
  {
    name: "validate",
    summary: "Compare predictions with measured runs",
    load: () => import("./commands/validate.js"),
  },
  {
    name: "calibrate",
    summary: "Fit predictions to your own measured runs",
    load: () => import("./commands/calibrate.js"),
  },
  { name: "emit", summary: "Write job specs for other engines and clusters", load: () => import("./commands/emit.js") },
  { name: "runs", summary: "List runs", load: () => import("./commands/runs.js") },
  { name: "logs", summary: "Show the log of a run", load: () => import("./commands/logs.js") },
  { name: "stop", summary: "Stop a run", load: () => import("./commands/stop.js") },
  { name: "explain", summary: "Tell more about an error code or a word", load: () => import("./commands/explain.js") },
  { name: "export", summary: "Export trained weights", load: () => import("./commands/export.js") },
  { name: "data", summary: "Look at datasets and mixes", load: () => import("./commands/data.js") },
  {
    name: "schema",
    summary: "Print the schema of the language, of the syntax tree or of plan.json",
    load: () => import("./commands/schema.js"),
  },
  {
    name: "completion",
    summary: "Print a completion script for a shell",
    load: () => import("./commands/completion.js"),
  },
  { name: "eval", summary: "Measure a trained model", load: () => import("./commands/eval.js") },
  { name: "sample", summary: "Let a trained model write", load: () => import("./commands/sample.js") },
  { name: "studio", summary: "A page that plans anew on save", load: () => import("./commands/studio.js") },
  { name: "lsp", summary: "Answer editors (language server)", load: () => import("./commands/lsp.js") },
];
