export { initialValues } from "./initial.js";
export { learningRate } from "./schedule.js";
export { type StageInput, type StageSummary, trainStage } from "./stage.js";
