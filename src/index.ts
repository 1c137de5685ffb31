/** The library: the same stages as the command line. Everything up to `plan` runs in a browser. */
export { check } from "./checker/index.js";
export type { Pipeline } from "./checker/pipeline.js";
export type { Diagnostic, Outcome } from "./diagnostics/index.js";
export { bundledHardware } from "./hardware/index.js";
export type { ModelGraph } from "./model/graph.js";
export { buildGraph, buildModel } from "./model/index.js";
export type { Ast } from "./parser/ast.js";
export { format, parse } from "./parser/index.js";
export { plan } from "./planner/index.js";
export type { Plan } from "./planner/plan.js";
export { run } from "./runtime/index.js";
export type { Host, SourceFile } from "./text/index.js";
