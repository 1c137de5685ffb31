export { onWorkers } from "./executor.js";
export type { TeamJob } from "./job.js";
export { Pool, shared, Team, WorkerFailure, workerFile } from "./team.js";
export { type RehearsalOptions, type Rehearsal, type RehearsedAxis, rehearse, tolerance } from "./rehearsal/index.js";
