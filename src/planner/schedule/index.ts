export { simulate } from "./simulate.js";
export { type ScheduleTraits, scheduleKinds, scheduleTraits } from "./traits.js";
export type { ScheduleInput, Simulation, Task, TaskKind } from "./types.js";
