/** Run folders: `runs/NAME/` with `run.json` (who runs it), `plan.json`, `summary.json` and a folder per stage. */

import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { basename, join, resolve } from "node:path";
import { nearest, runCodes } from "../../diagnostics/index.js";
import { writeWhole } from "../../files/index.js";
import type { Plan } from "../../planner/plan.js";
import { fail } from "../failure.js";
import type { RunSummary, StepMetrics } from "../types.js";
import { type HeldOut, readHeldOut, readMetrics } from "./jsonl.js";

export type RunStatus = "running" | "done" | "failed" | "stopped";

/** `run.json` */
export interface RunRecord {
  readonly schema: "llmp.run/1";
  readonly name: string;
  readonly pid: number;
  readonly host: string;
  /** Tells a process from a later one with the same number (Linux: ticks since boot). */
  readonly processStart?: string;
  readonly started: string;
  readonly ended?: string;
  readonly status: RunStatus;
  /** The last thing it said when it failed. */
  readonly reason?: string;
}

/** Field 22 of /proc/PID/stat, where there is one. */
function processStart(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}

export function recordRun(folder: string, status: RunStatus, reason?: string): void {
  mkdirSync(folder, { recursive: true });
  const earlier = readRecord(folder);
  const start = processStart(process.pid);
  const again = earlier?.pid === process.pid;
  const record: RunRecord = {
    schema: "llmp.run/1",
    name: basename(folder),
    pid: process.pid,
    host: hostname(),
    ...(start === undefined ? {} : { processStart: start }),
    started: again && earlier !== undefined ? earlier.started : new Date().toISOString(),
    ...(status === "running" ? {} : { ended: new Date().toISOString() }),
    status,
    ...(reason === undefined ? {} : { reason }),
  };
  writeWhole(join(folder, "run.json"), `${JSON.stringify(record, null, 2)}\n`);
}

function readRecord(folder: string): RunRecord | undefined {
  return readJson<RunRecord>(join(folder, "run.json"));
}

function readJson<T>(path: string): T | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as T;
  } catch {
    return undefined;
  }
}

/** Whether the process that a record names still runs. */
export function isAlive(record: RunRecord): boolean {
  if (record.host !== hostname()) return false;
  try {
    process.kill(record.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  return record.processStart === undefined || processStart(record.pid) === record.processStart;
}

export interface StageInfo {
  readonly name: string;
  readonly folder: string;
  readonly metrics: readonly StepMetrics[];
  readonly heldOut: readonly HeldOut[];
  readonly steps: number | undefined;
}

export interface RunInfo {
  readonly name: string;
  readonly folder: string;
  readonly record: RunRecord | undefined;
  /** As it is: a record that says "running" of a dead process is "killed". */
  readonly status: RunStatus | "killed" | "unknown";
  readonly alive: boolean;
  readonly plan: Plan | undefined;
  readonly summary: RunSummary | undefined;
  readonly stages: readonly StageInfo[];
}

export function readRun(folder: string): RunInfo {
  const record = readRecord(folder);
  const plan = readJson<Plan>(join(folder, "plan.json"));
  const alive = record !== undefined && record.status === "running" && isAlive(record);
  const planned = plan?.stages.map((s) => s.name) ?? [];
  const found = readdirSync(folder, { withFileTypes: true })
    .filter((e) => e.isDirectory() && existsSync(join(folder, e.name, "metrics.jsonl")))
    .map((e) => e.name);
  const names = [...planned.filter((n) => found.includes(n)), ...found.filter((n) => !planned.includes(n))];
  return {
    name: basename(folder),
    folder,
    record,
    status: record === undefined ? "unknown" : record.status === "running" && !alive ? "killed" : record.status,
    alive,
    plan,
    summary: readJson<RunSummary>(join(folder, "summary.json")),
    stages: names.map((name) => ({
      name,
      folder: join(folder, name),
      metrics: readMetrics(join(folder, name, "metrics.jsonl")),
      heldOut: readHeldOut(join(folder, name, "held-out.jsonl")),
      steps: plan?.stages.find((s) => s.name === name)?.steps,
    })),
  };
}

const marks = ["run.json", "plan.json", "summary.json"];
const isRun = (folder: string): boolean => marks.some((file) => existsSync(join(folder, file)));

function subfolders(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((e) => e.isDirectory() && !e.name.startsWith(".") && e.name !== "node_modules")
      .map((e) => join(folder, e.name));
  } catch {
    return [];
  }
}

/** Runs in `runs/` of a folder and of the folders in it (a file's runs lie beside it), newest first. */
export function runFolders(root: string): readonly string[] {
  return [root, ...subfolders(root)]
    .flatMap((folder) => subfolders(join(folder, "runs")))
    .filter(isRun)
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
}

/** A run by name, or by the path of its folder; the newest where none is named. */
export function findRun(root: string, name?: string): RunInfo {
  const all = runFolders(root);
  const none = ["start one with `llmp run FILE`"];
  if (name === undefined) {
    const [newest] = all;
    return newest === undefined
      ? fail(runCodes.report("LLMP6401", undefined, { name: "yet" }, { hints: none }))
      : readRun(newest);
  }
  const given = resolve(root, name);
  const direct = existsSync(given) && statSync(given).isDirectory() && isRun(given) ? given : undefined;
  const found = direct ?? all.find((folder) => basename(folder) === name);
  if (found !== undefined) return readRun(found);
  const names = all.map((f) => basename(f));
  const near = nearest(name, names);
  const hints =
    near !== undefined
      ? [`did you mean ${near}?`]
      : names.length > 0
        ? [`there are ${names.slice(0, 5).join(", ")}`]
        : none;
  return fail(runCodes.report("LLMP6401", undefined, { name }, { hints }));
}
