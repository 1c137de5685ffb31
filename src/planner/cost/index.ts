export { type CostFact, costFacts } from "./facts.js";
export { bestSaveInterval, calendar, type Goodput, type RunConditions, saveSeconds, stopRate } from "./goodput.js";
export { costPlan, findPrice, machineUsd, paidSeconds, stageUsd, storageUsd } from "./price.js";
