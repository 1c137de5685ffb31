export { onWorkers } from "./executor.js";
export type { TeamJob } from "./job.js";
export { shared, Team, WorkerFailure, workerFile } from "./team.js";
