import { existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { CheckpointStore } from "../interfaces.js";
import { type ExportOptions, exportModel } from "./final.js";
import { type CheckpointOptions, loadLatest, saveCheckpoint } from "./store.js";

export { type ExportOptions, exportModel } from "./final.js";
export { type CheckpointOptions, checkpointSteps, loadLatest, saveCheckpoint } from "./store.js";

export interface StageStoreOptions extends Omit<CheckpointOptions, "folder">, Omit<ExportOptions, "folder"> {
  /** `runs/NAME/STAGE`: gets `checkpoints/` and `final/`. */
  readonly stageFolder: string;
}

export function openCheckpoints(options: StageStoreOptions): CheckpointStore {
  const checkpoints = { ...options, folder: join(options.stageFolder, "checkpoints") };
  return {
    save: async (state) => saveCheckpoint(checkpoints, state),
    latest: async () => loadLatest(checkpoints),
    export: async (weights, graph) =>
      exportModel(weights, graph, { ...options, folder: join(options.stageFolder, "final") }),
  };
}

/** Before a run that starts anew: the earlier run's checkpoints get another name (those of one run are kept). */
export function setAside(stageFolder: string): void {
  const folder = join(stageFolder, "checkpoints");
  if (!existsSync(folder)) return;
  const aside = join(stageFolder, "checkpoints.earlier");
  rmSync(aside, { recursive: true, force: true });
  renameSync(folder, aside);
}
