/** Executes a plan on this machine. */
import { buildModel } from "../model/index.js";
import type { Plan } from "../planner/plan.js";
import { type RunOptions, runPlan } from "./train/index.js";
import type { RunEvent } from "./types.js";

export { type Rehearsal, type RehearsedAxis, rehearse, tolerance } from "./parallel/index.js";
export { openLanguageModel } from "./sample/index.js";
export type { RunOptions } from "./train/index.js";
export * from "./types.js";

/** Throws RunFailure for a user's mistake or a failing environment. */
export const run = (plan: Plan, options: RunOptions): AsyncIterable<RunEvent> => runPlan(plan, options, { buildModel });
