export * from "./evaluate.js";
export { type Generated, type GenerateOptions, generate } from "./generate.js";
export { pick, type SamplingOptions, uniform } from "./pick.js";
export * from "./types.js";
