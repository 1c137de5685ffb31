/** FILE|PLAN → Plan: a `.json` is a plan, anything else a `.llmp` file that is planned first. */
import { readFileSync } from "node:fs";
import type { Plan } from "../../planner/plan.js";
import { planSchema } from "../../planner/plan.js";
import { Exit, exit, usage } from "../output.js";
import { makePlan, type PlanInputs } from "../plan/make.js";

/** Diagnostics are shown; ends with exit code 1 on errors, 4 where nothing fits. */
export async function loadPlan(file: string | undefined, options: PlanInputs = {}): Promise<Plan> {
  if (file?.endsWith(".json") === true) return readPlan(file);
  const { plan } = await makePlan(file, options, true);
  if (plan.outcome === "infeasible") throw new Exit(exit.infeasible, "no plan fits; `llmp plan` says what would");
  return plan;
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
