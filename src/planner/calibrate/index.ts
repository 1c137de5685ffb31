/** Predictions against measured runs: validation, calibration. */
export { calibrateRuns } from "./calibrate.js";
export { type Prediction, predictRun } from "./predict.js";
export { readCalibration, readRuns } from "./read.js";
export type { Run } from "./run.js";
export { type Quantiles, type ValidatedRow, type Validation, validateRuns } from "./validate.js";
