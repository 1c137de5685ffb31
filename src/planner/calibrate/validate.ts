/** Predictions beside measurements: what `llmp validate` prints (DESIGN section 7). */
import type { CalibrationFile } from "../types.js";
import { normalRun } from "./normal.js";
import { predictRun } from "./predict.js";
import { measuredSeconds, memoryKind, type Run } from "./run.js";

export interface ValidatedRow {
  readonly id: string;
  readonly status: "predicted" | "skipped";
  readonly reason?: string;
  readonly predicted?: {
    readonly step_seconds: number;
    readonly step_interval: readonly [number, number];
    readonly peak_memory_gib: number;
    readonly memory_interval: readonly [number, number];
    readonly fits: boolean;
  };
  readonly measured: {
    readonly step_seconds?: number;
    readonly peak_memory_gib?: number;
    readonly outcome: string;
  };
  /** Signed, in percent: predicted over measured − 1. */
  readonly error: { readonly step_pct?: number; readonly memory_pct?: number };
  readonly stack?: string;
  readonly accelerator?: string;
}

export interface Quantiles {
  readonly rows: number;
  readonly median_abs_pct: number;
  readonly p90_abs_pct: number;
  readonly bias_pct: number;
  /** Share of measured values inside the stated 80% interval. */
  readonly coverage_pct: number;
}

export interface Validation {
  readonly schema: "llmp.validation/1";
  readonly rows: readonly ValidatedRow[];
  readonly summary: {
    readonly rows: number;
    readonly predicted: number;
    readonly skipped: number;
    readonly step?: Quantiles;
    readonly memory?: Quantiles;
    readonly memory_allocated?: Quantiles;
    readonly memory_other?: Quantiles;
    readonly oom: { readonly rows: number; readonly refused: number };
    readonly ok: { readonly rows: number; readonly refused: number };
    readonly by_stack: readonly (Quantiles & { readonly stack: string; readonly accelerator: string })[];
  };
}

export function validateRuns(given: readonly Run[], calibration?: CalibrationFile): Validation {
  const runs = given.map(normalRun);
  const rows = runs.map((run, i) => validateRun(run, i, calibration));
  const predicted = rows.filter((r) => r.status === "predicted");
  const steps = predicted.filter((r) => r.error.step_pct !== undefined);
  const memories = predicted.filter((r) => r.error.memory_pct !== undefined);
  const kinds = new Map(runs.map((run, i) => [rows[i]!, memoryKind(run)]));
  const isAllocated = (r: ValidatedRow): boolean => kinds.get(r) === "allocated";
  const outcome = (wanted: boolean): { rows: number; refused: number } => {
    const of = predicted.filter((r) => (r.measured.outcome === "oom") === wanted);
    return { rows: of.length, refused: of.filter((r) => !r.predicted!.fits).length };
  };
  const groups = new Map<string, ValidatedRow[]>();
  for (const r of steps) {
    const key = `${r.stack}\t${r.accelerator}`;
    const list = groups.get(key);
    if (list === undefined) groups.set(key, [r]);
    else list.push(r);
  }
  const optional = <K extends string>(key: K, of: readonly ValidatedRow[], what: "step" | "memory") =>
    of.length === 0 ? {} : ({ [key]: quantiles(of, what) } as Record<K, Quantiles>);
  return {
    schema: "llmp.validation/1",
    rows,
    summary: {
      rows: rows.length,
      predicted: predicted.length,
      skipped: rows.length - predicted.length,
      ...optional("step", steps, "step"),
      ...optional("memory", memories, "memory"),
      ...optional("memory_allocated", memories.filter(isAllocated), "memory"),
      ...optional(
        "memory_other",
        memories.filter((r) => !isAllocated(r)),
        "memory",
      ),
      oom: outcome(true),
      ok: outcome(false),
      by_stack: [...groups].sort().map(([key, list]) => {
        const [stack, accelerator] = key.split("\t") as [string, string];
        return { stack, accelerator, ...quantiles(list, "step") };
      }),
    },
  };
}

function validateRun(run: Run, index: number, calibration: CalibrationFile | undefined): ValidatedRow {
  const id = run.id !== "" ? run.id : `row ${index + 1}`;
  const seconds = measuredSeconds(run);
  const gib = run.measured_peak_memory_gib_per_gpu;
  const measured = {
    ...(seconds === undefined ? {} : { step_seconds: seconds }),
    ...(typeof gib === "number" && gib > 0 ? { peak_memory_gib: gib } : {}),
    outcome: run.outcome ?? "ok",
  };
  const p = predictRun(run, calibration);
  if ("lacks" in p) return { id, status: "skipped", reason: p.lacks, measured, error: {} };
  const percent = (a: number, b: number): number => 100 * (a / b - 1);
  return {
    id,
    status: "predicted",
    predicted: {
      step_seconds: p.seconds,
      step_interval: p.secondsInterval,
      peak_memory_gib: p.gib,
      memory_interval: p.gibInterval,
      fits: p.fits,
    },
    measured,
    error: {
      ...(measured.step_seconds === undefined ? {} : { step_pct: percent(p.seconds, measured.step_seconds) }),
      ...(measured.peak_memory_gib === undefined ? {} : { memory_pct: percent(p.gib, measured.peak_memory_gib) }),
    },
    stack: p.prepared.stack,
    accelerator: p.prepared.machine.name,
  };
}

function quantiles(rows: readonly ValidatedRow[], what: "step" | "memory"): Quantiles {
  const errors = rows.map((r) => (what === "step" ? r.error.step_pct! : r.error.memory_pct!));
  const absolute = errors.map(Math.abs).sort((a, b) => a - b);
  const signed = [...errors].sort((a, b) => a - b);
  const at = (list: readonly number[], q: number): number =>
    list[Math.min(list.length - 1, Math.floor(q * list.length))]!;
  const inside = rows.filter((r) => {
    const [low, high] = what === "step" ? r.predicted!.step_interval : r.predicted!.memory_interval;
    const value = what === "step" ? r.measured.step_seconds! : r.measured.peak_memory_gib!;
    return low <= value && value <= high;
  }).length;
  return {
    rows: rows.length,
    median_abs_pct: at(absolute, 0.5),
    p90_abs_pct: at(absolute, 0.9),
    bias_pct: at(signed, 0.5),
    coverage_pct: (100 * inside) / rows.length,
  };
}
