/** Calibration files and runs from text: anyone's JSON, so each field is looked at. */
import type { CalibrationFile } from "../types.js";
import type { Run } from "./run.js";

export function readCalibration(text: string): CalibrationFile | { readonly problem: string } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { problem: `is not JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
  const file = value as Partial<CalibrationFile>;
  if (file?.schema !== "llmp.calibration/1" || !Array.isArray(file.stacks))
    return { problem: "is not a calibration (schema llmp.calibration/1, as llmp calibrate writes it)" };
  const numbers = ["timeFactor", "memoryOffsetBytes", "memoryFactor", "rows"] as const;
  for (const [i, s] of file.stacks.entries()) {
    if (typeof s !== "object" || s === null) return { problem: `stack ${i + 1} is not an object` };
    const bad = numbers.find((k) => typeof s[k] !== "number" || !Number.isFinite(s[k]));
    if (bad !== undefined || typeof s.engine !== "string" || typeof s.accelerator !== "string")
      return { problem: `stack ${i + 1} lacks ${bad ?? "engine or accelerator"}` };
    if (s.timeFactor <= 0 || s.memoryFactor <= 0) return { problem: `stack ${i + 1}: factors must be positive` };
  }
  return file as CalibrationFile;
}

/** One object a line; a line that is none is named. */
export function readRuns(text: string): { readonly runs: readonly Run[]; readonly problems: readonly string[] } {
  const runs: Run[] = [];
  const problems: string[] = [];
  for (const [i, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    try {
      const value: unknown = JSON.parse(line);
      if (typeof value === "object" && value !== null && !Array.isArray(value)) runs.push(value as Run);
      else problems.push(`line ${i + 1} is not an object`);
    } catch (error) {
      problems.push(`line ${i + 1}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return { runs, problems };
}
