/** `submit.sh` for Slurm: all stages, each after the one it starts from. */
import { stageLinks } from "./entry.js";
import type { LoweredStage } from "./target.js";

export function chainScript(stages: readonly LoweredStage[]): string {
  const lines = [
    "#!/usr/bin/env bash",
    "# Submits all stages, each after the one that it starts from. Written by llmp.",
    "set -euo pipefail",
    'here="$(cd "$(dirname "$0")" && pwd)"',
  ];
  for (const { view } of stages) {
    const folder = view.folder === "" ? "$here" : `$here/${view.folder.replace(/\/$/, "")}`;
    const after = [...new Set(stageLinks(view).map(({ of }) => `$job_${of.index}`))];
    const wait = after.length === 0 ? "" : ` --dependency="afterok:${after.join(":")}"`;
    lines.push(
      `job_${view.index}="$(cd "${folder}" && LLMP_JOB="${folder}" sbatch --parsable --export=ALL${wait} job.sbatch)"`,
      `echo "${view.stage.name}: job $job_${view.index}"`,
    );
  }
  return `${lines.join("\n")}\n`;
}
