/** `--calibration FILE`, for every command that takes it. */
import { readFileSync } from "node:fs";
import { readCalibration } from "../../planner/calibrate/index.js";
import type { CalibrationFile } from "../../planner/types.js";
import { usage } from "../output.js";

/** @param file `-` is standard input */
export function loadCalibration(file: string): CalibrationFile {
  let text: string;
  try {
    text = readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (error) {
    throw usage(`cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
  const found = readCalibration(text);
  if ("problem" in found) throw usage(`${file} ${found.problem}`);
  return found;
}
