/** FILE|PLAN → Plan: a `.json` is a plan, anything else a `.llmp` file that is planned first. */
import { readFileSync } from "node:fs";
import type { Plan } from "../../planner/plan.js";
import { planSchema } from "../../planner/plan.js";
import { Exit, usage } from "../output.js";
import { exitOf, makePlan, type PlanInputs } from "./make.js";

/** A plan to act on. Diagnostics are shown; ends with exit code 1 on errors, 4 where nothing fits or a budget is missed. */
export async function loadPlan(file: string | undefined, options: PlanInputs = {}): Promise<Plan> {
  const made = file?.endsWith(".json") !== true;
  const plan = made ? (await makePlan(file, options)).plan : readPlan(file);
  if (plan.outcome === "ok") return plan;
  // What is wrong with a fresh plan has just been shown.
  const why = { errors: "the plan has errors", infeasible: "nothing fits", over_budget: "the budget is exceeded" };
  throw new Exit(exitOf(plan), made ? "" : `${file}: ${why[plan.outcome]}`, ["`llmp plan` shows what would do"]);
}

function readPlan(file: string): Plan {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    throw usage(`cannot read ${file}`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw usage(`${file} is not JSON`);
  }
  const plan = value as Partial<Plan>;
  const major = planSchema
    .split(".")
    .slice(0, 2)
    .join(".")
    .replace(/\.\d+$/, "");
  if (
    typeof plan.schema !== "string" ||
    !plan.schema.startsWith(major.split("/")[0] ?? "") ||
    !Array.isArray(plan.stages) ||
    plan.pipeline === undefined
  )
    throw usage(`${file} is not a plan`, "make one with `llmp plan FILE -o x.plan.json`");
  const version = (schema: string): string => schema.split("/")[1]?.split(".")[0] ?? "";
  if (version(plan.schema) !== version(planSchema))
    throw usage(`${file} is a plan of another version (${plan.schema})`, "plan the file again");
  return plan as Plan;
}
