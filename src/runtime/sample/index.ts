export * from "./evaluate.js";
export { type Generated, type GenerateOptions, generate } from "./generate.js";
export { openLanguageModel } from "./model.js";
export { pick, type SamplingOptions, uniform } from "./pick.js";
export { memoryStore, type OpenedRun, type OpenRunOptions, openRun } from "./run.js";
export * from "./types.js";
