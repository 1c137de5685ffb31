/** The library: the same stages as the command line. docs/LIBRARY.md. */

import type { Outcome } from "./diagnostics/index.js";
import type { EmitContext, EmittedFile } from "./emit/index.js";
import type { Plan } from "./planner/plan.js";
import type { RunEvent, RunOptions } from "./runtime/index.js";

export * from "./core.js";
export type { EmitContext, EmittedFile } from "./emit/index.js";
export type { RunEvent, RunOptions, RunSummary, StepMetrics } from "./runtime/index.js";

/** The files of a job for a target (`llmp emit --list`). */
export async function emit(
  target: string,
  plan: Plan,
  context?: EmitContext,
): Promise<Outcome<readonly EmittedFile[]>> {
  const { emit: lower } = await import("./emit/index.js");
  return lower(target, plan, context);
}

/** Trains on this machine; events arrive as it goes. Throws `RunFailure`, which holds a diagnostic, for a user's mistake. */
export async function* run(plan: Plan, options: RunOptions): AsyncGenerator<RunEvent> {
  const { run: start } = await import("./runtime/index.js");
  yield* start(plan, options);
}

/** One self-contained HTML page of a plan. */
export async function renderHtml(plan: Plan): Promise<string> {
  const { renderHtml: render } = await import("./report/html/index.js");
  return render(plan);
}
