export { onWorkers } from "./executor.js";
export type { TeamJob } from "./job.js";
export { type Rehearsal, type RehearsalOptions, type RehearsedAxis, rehearse, tolerance } from "./rehearsal/index.js";
export { Pool, type PoolOptions, shared, Team, WorkerFailure, workerBackend } from "./team.js";
