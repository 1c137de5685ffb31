/** Descriptors that callers ask instead of asking names: explicit lists, and look-ups by name. */
export {
  defaultEngines,
  type EngineTraits,
  engineByName,
  engineObjections,
  engineProfiles,
  engines,
} from "./engines/index.js";
export * from "./fields.js";
export { objectiveByName, objectives } from "./objectives/index.js";
export { optimizerByName, optimizers } from "./optimizers/index.js";
export { precisionByName, precisions } from "./precisions/index.js";
export { scheduleByName, schedules } from "./schedules/index.js";
