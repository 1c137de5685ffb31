export type { StageInput, StageSummary } from "./executor.js";
export { initialValues } from "./initial.js";
export { type Builders, type RunOptions, runPlan } from "./run.js";
export { learningRate } from "./schedule.js";
export { trainStage } from "./stage.js";
