/** FILE|PLAN → Plan: a `.json` is a plan, anything else a `.llmp` file that is planned first. */
import { readFileSync } from "node:fs";
import path from "node:path";
import type { Plan } from "../../planner/plan.js";
import { planSchema } from "../../planner/plan.js";
import { packageRoot } from "../host.js";
import { Exit, usage } from "../output.js";
import { exitOf, makePlan, type PlanInputs } from "./make.js";
import { immense, type JsonSchema, misshapen } from "./shape.js";
import { unresolved } from "./whole.js";

/** A plan to act on. Diagnostics are shown; ends with exit code 1 on errors, 4 where nothing fits or a budget is missed. */
export async function loadPlan(file: string | undefined, options: PlanInputs = {}): Promise<Plan> {
  const made = file?.endsWith(".json") !== true;
  const plan = made ? (await makePlan(file, options)).plan : readPlan(file);
  if (plan.outcome === "ok") return plan;
  // What is wrong with a fresh plan has just been shown.
  const why = { errors: "the plan has errors", infeasible: "nothing fits", over_budget: "the budget is exceeded" };
  throw new Exit(exitOf(plan), made ? "" : `${file}: ${why[plan.outcome]}`, ["`llmp plan` shows what would do"]);
}

export function readPlan(file: string): Plan {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    throw usage(`cannot read ${file}`);
  }
  const plan = planOf(text);
  if ("problem" in plan) throw usage(`${file} ${plan.problem}`, plan.hint);
  return plan;
}

const again = "make one with `llmp plan FILE -o x.plan.json`";

/** A plan file is anyone's JSON: its every value is looked at before anything reads it. */
export function planOf(text: string): Plan | { readonly problem: string; readonly hint: string } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { problem: "is not JSON", hint: again };
  }
  const schema = (value as { readonly schema?: unknown } | null)?.schema;
  const [kind, version] = typeof schema === "string" ? schema.split("/") : [];
  const [ours, current] = planSchema.split("/") as [string, string];
  if (kind !== ours) return { problem: "is not a plan", hint: again };
  const major = (v: string | undefined): string | undefined => v?.split(".")[0];
  if (major(version) !== major(current))
    return { problem: `is a plan of another version (${schema})`, hint: "plan the file again" };
  const wrong =
    immense(value) ?? misshapen(planShape(), { ...(value as object), schema: planSchema }) ?? unresolved(value as Plan);
  return wrong === undefined ? (value as Plan) : { problem: `is not a plan: ${wrong}`, hint: again };
}

let shape: JsonSchema | undefined;

function planShape(): JsonSchema {
  shape ??= JSON.parse(readFileSync(path.join(packageRoot(), "grammar/plan.schema.json"), "utf8")) as JsonSchema;
  return shape;
}
