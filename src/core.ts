/** The part of the library that runs anywhere, a browser too: text to plan, and how it is shown. docs/LIBRARY.md. */
export { type CheckOptions, check, families } from "./checker/index.js";
export type { ModelSpec, Pipeline } from "./checker/pipeline.js";
export { allCodes, type Diagnostic, type Fix, hasErrors, type Outcome } from "./diagnostics/index.js";
export { bundledHardware, type Hardware } from "./hardware/index.js";
export type { ModelGraph } from "./model/graph.js";
export { buildGraph, buildModel } from "./model/index.js";
export type { Ast } from "./parser/ast.js";
export { format, parse } from "./parser/index.js";
export { plan } from "./planner/index.js";
export type { Plan, StagePlan } from "./planner/plan.js";
export { renderDiagnostics, renderPlan } from "./report/index.js";
export type { Host, SourceFile, Span } from "./text/index.js";
