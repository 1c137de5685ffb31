export { simulate } from "./simulate.js";
export { forwardTasks, type StageTask, tasksOf } from "./tasks.js";
export { type ScheduleTraits, scheduleKinds, scheduleTraits } from "./traits.js";
export type { ScheduleInput, Simulation, Task, TaskKind } from "./types.js";
