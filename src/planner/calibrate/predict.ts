/** One published run, predicted: seconds, bytes in the sense in which they were read, whether it fits, both intervals. */
import { contextBytes, fitsDevice, reservedBytes } from "../memory/device.js";
import { rankMemory } from "../memory/rank.js";
import { stepTime } from "../time/step.js";
import type { CalibrationFile } from "../types.js";
import { jobOf, lacks, type Prepared, prepare } from "./job-of-run.js";
import { normalRun } from "./normal.js";
import { memoryKind, type Run } from "./run.js";
import { memorySpread, timeSpread } from "./spread.js";

const GiB = 1024 ** 3;

/** One measured run of a cluster takes most of what differs between clusters; what differs between layouts remains. */
export const calibratedHalf = (half: number, rows: number): number =>
  Math.max(0.07, half * (rows === 1 ? 0.8 : rows < 5 ? 0.7 : 0.6));

export interface Prediction {
  readonly prepared: Prepared;
  readonly seconds: number;
  readonly secondsInterval: readonly [number, number];
  readonly gib: number;
  readonly gibInterval: readonly [number, number];
  readonly fits: boolean;
}

export type StackCalibration = CalibrationFile["stacks"][number];

/** The entry of a calibration that is meant for a run: same stack and accelerator, else same stack. */
export function calibrationFor(p: Prepared, file: CalibrationFile | undefined): StackCalibration | undefined {
  if (file === undefined) return undefined;
  const own = file.stacks.filter((s) => s.engine === p.stack || s.engine === (p.run.engine ?? "").toLowerCase());
  return own.find((s) => s.accelerator === p.machine.name) ?? own[0];
}

export function predictRun(row: Run, file?: CalibrationFile): Prediction | { readonly lacks: string } {
  const run = normalRun(row);
  const why = lacks(run);
  if (why !== undefined) return { lacks: why };
  const prepared = prepare(run);
  const job = jobOf(prepared);
  const calibration = calibrationFor(prepared, file);
  const time = stepTime(job).seconds;
  const ranks = job.ranks.map((_, r) => rankMemory(job, r).peak);
  const peak = Math.max(...ranks);
  const read = /last rank/i.test(run.memory_kind ?? "") ? ranks.at(-1)! : peak;
  const kind = memoryKind(run);
  const raw = kind === "allocated" ? read : reservedBytes(job, read) + (kind === "driver" ? contextBytes(job) : 0);
  const seconds = time * (calibration?.timeFactor ?? 1);
  const factor = calibration?.memoryFactor ?? 1;
  const bytes = raw * factor + (calibration?.memoryOffsetBytes ?? 0);
  const t = timeSpread(prepared);
  const m = memorySpread(prepared, kind);
  const rows = calibration?.rows ?? 0;
  const tight = rows === 0 ? t.half : calibratedHalf(t.half, rows);
  const tightMemory = rows === 0 || calibration?.memoryResiduals.length === 0 ? m.half : Math.max(0.015, m.half * 0.5);
  const margin = prepared.known ? 0.01 : 0.03;
  return {
    prepared,
    seconds,
    secondsInterval: [seconds * Math.exp(t.centre - tight), seconds * Math.exp(t.centre + tight)],
    gib: bytes / GiB,
    gibInterval: [(bytes * Math.exp(m.centre - tightMemory)) / GiB, (bytes * Math.exp(m.centre + tightMemory)) / GiB],
    fits: fitsDevice(job, peak * factor, margin),
  };
}
