/** Renderers of a Plan and of diagnostics. */
export { type Paint, painter } from "./terminal/colour.js";
export {
  type DiagnosticsOptions,
  diagnosticsJson,
  renderDiagnostics,
  type Sources,
  summary,
} from "./terminal/diagnostics.js";
export { type PlanPageOptions, renderPlan } from "./terminal/plan.js";
