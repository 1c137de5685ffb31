export { onWorkers } from "./executor.js";
export type { TeamJob } from "./job.js";
export { shared, Team, workerFile } from "./team.js";
