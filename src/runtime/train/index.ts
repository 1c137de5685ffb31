export { initialValues } from "./initial.js";
export { type Builders, type RunOptions, runPlan } from "./run.js";
export { learningRate } from "./schedule.js";
export { type StageInput, type StageSummary, trainStage } from "./stage.js";
