/** FILE → Plan, with what the command line adds: settings, prices, calibration. */
import { readFileSync } from "node:fs";
import type { Pipeline } from "../../checker/index.js";
import type { Diagnostic, Outcome } from "../../diagnostics/index.js";
import { bundledHardware, type Hardware, type Price } from "../../hardware/index.js";
import type { Plan } from "../../planner/plan.js";
import type { CalibrationFile } from "../../planner/types.js";
import { loadPipeline } from "../load.js";
import { thisMachine } from "../machine.js";
import { Exit, exit, showDiagnostics, usage } from "../output.js";

export interface PlanInputs {
  readonly set?: readonly string[];
  /** JSON object of settings. */
  readonly vars?: string;
  readonly prices?: string;
  readonly calibration?: string;
  /** What computes on this machine; stands above the file's. */
  readonly backend?: string;
}

export interface Made {
  readonly plan: Plan;
  readonly diagnostics: readonly Diagnostic[];
}

export async function makePlan(file: string | undefined, inputs: PlanInputs = {}, quiet = false): Promise<Made> {
  const { pipeline, host } = loadPipeline(file, { set: [...varsOf(inputs.vars), ...(inputs.set ?? [])] });
  const calibration =
    inputs.calibration === undefined
      ? undefined
      : (await import("./calibration.js")).loadCalibration(inputs.calibration);
  const outcome = await planOf(pipeline, hardwareWith(inputs.prices), calibration, inputs.backend);
  if (!quiet || outcome.value === undefined) showDiagnostics(outcome.diagnostics, host.sources);
  if (outcome.value === undefined) throw new Exit(exit.infeasible);
  return { plan: outcome.value, diagnostics: outcome.diagnostics };
}

/** The planner with what is known of this machine; editors plan with it too. */
export async function planOf(
  pipeline: Pipeline,
  hardware: Hardware = bundledHardware(),
  calibration?: CalibrationFile,
  backend?: string,
): Promise<Outcome<Plan>> {
  const { plan } = await import("../../planner/index.js");
  const machine = await thisMachine();
  return plan(pipeline, hardware, {
    ...(calibration === undefined ? {} : { calibration }),
    local: (named) => machine(backend ?? named),
  });
}

export const exitOf = (plan: Plan): number =>
  plan.outcome === "ok" ? exit.ok : plan.outcome === "errors" ? exit.errors : exit.infeasible;

function readJson<T>(file: string): T {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    throw usage(`cannot read ${file}`);
  }
  try {
    return JSON.parse(text) as T;
  } catch {
    throw usage(`${file} is not JSON`);
  }
}

/** `{ "gpus": 64 }` → `gpus=64`. */
function varsOf(file: string | undefined): string[] {
  if (file === undefined) return [];
  const value = readJson<Record<string, unknown>>(file);
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw usage(`${file} is not a JSON object`);
  return Object.entries(value).map(([k, v]) => `${k}=${String(v)}`);
}

/** A list of prices, or `{ prices: [...] }`, or `{ "ml.p5.48xlarge": 55.04 }` (on demand, everywhere). They win over the bundled ones. */
function hardwareWith(file: string | undefined): Hardware {
  const base = bundledHardware();
  if (file === undefined) return base;
  const value = readJson<unknown>(file);
  const list = Array.isArray(value) ? value : (value as { prices?: unknown }).prices;
  const own: Price[] = Array.isArray(list)
    ? (list as Price[])
    : Object.entries(value as Record<string, unknown>).map(([instance, usd]) => {
        if (typeof usd !== "number") throw usage(`${file}: the price of ${instance} is not a number`);
        return { instance, region: "*", pricing: "on_demand" as const, usdPerHour: usd, source: file, date: "" };
      });
  for (const p of own)
    if (typeof p.instance !== "string" || (typeof p.usdPerHour !== "number" && p.usdPerHour !== null))
      throw usage(`${file}: every price needs \`instance\` and \`usdPerHour\``);
  const full = own.map((p) => ({
    ...p,
    pricing: p.pricing ?? "on_demand",
    region: p.region ?? "*",
    source: p.source ?? file,
    date: p.date ?? "",
  }));
  const replaced = base.prices.filter(
    (b) =>
      !full.some(
        (p) => p.instance === b.instance && p.pricing === b.pricing && (p.region === "*" || p.region === b.region),
      ),
  );
  return { ...base, prices: [...replaced, ...full] };
}
