/** An sbatch script of one stage; `launcher` is what stands before `bash entry.sh` on each node. */
import { formatDuration } from "./duration.js";
import { inputs, stageLinks } from "./entry.js";
import { findProject } from "./project.js";
import { sh } from "./quote.js";
import type { StageView } from "./stage.js";
import { clusterOption, maxRuntime } from "./target.js";

export function sbatch(view: StageView, how: { readonly srun: string; readonly requeue: boolean }): string {
  const partition = clusterOption(view, "partition");
  const account = clusterOption(view, "account");
  const shared = (
    clusterOption(view, "shared_storage") ??
    (view.cluster.storage?.value.startsWith("/") === true ? view.cluster.storage.value : undefined)
  )?.replace(/\/+$/, "");
  const image = view.cluster.image?.value;
  const head = [
    "#!/usr/bin/env bash",
    `#SBATCH --job-name=${view.jobName}`,
    `#SBATCH --nodes=${view.nodes}`,
    "#SBATCH --ntasks-per-node=1",
    "#SBATCH --exclusive",
    ...(view.stage.cluster.accelerator === "cpu" ? [] : [`#SBATCH --gpus-per-node=${view.devicesPerNode}`]),
    `#SBATCH --time=${formatDuration(maxRuntime(view, 365 * 24 * 3600))}`,
    "#SBATCH --output=%x-%j.out",
    // Two minutes before the time is up, to entry.sh and the engine: enough to save.
    "#SBATCH --signal=TERM@120",
    ...(how.requeue ? ["#SBATCH --requeue"] : []),
    ...(partition === undefined ? [] : [`#SBATCH --partition=${partition}`]),
    ...(account === undefined ? [] : [`#SBATCH --account=${account}`]),
  ];
  const root = shared === undefined ? '"$here"' : sh(`${shared}/llmp`);
  const local = inputs(view).filter((i) => i.kind === "local");
  return `${head.join("\n")}
# Stage ${view.stage.name}. Written by llmp.
set -euo pipefail
here="\${LLMP_JOB:-\${SLURM_SUBMIT_DIR:-$(cd "$(dirname "$0")" && pwd)}}"
root=${root}
${findProject([view])
  .map((line) => `${line}\n`)
  .join("")}export LLMP_INPUT="$root/input/${view.jobName}"
export LLMP_OUTPUT="$root/output/${view.jobName}"
export LLMP_CHECKPOINTS="$root/checkpoints/${view.jobName}"
mkdir -p "$LLMP_INPUT" "$LLMP_OUTPUT" "$LLMP_CHECKPOINTS"
${local.map((i) => `ln -sfn "$project/"${sh(i.from)} "$LLMP_INPUT/${i.channel}"`).join("\n")}
${stageLinks(view)
  .map(({ channel, of }) => `ln -sfn "$root/output/${of.jobName}" "$LLMP_INPUT/${channel}"`)
  .join("\n")}
MASTER_ADDR="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)"
export MASTER_ADDR
export MASTER_PORT="$((29500 + SLURM_JOB_ID % 1000))"
${view.nodes > 1 && (view.instance?.efaInterfaces ?? 0) > 0 ? "export FI_PROVIDER=efa FI_EFA_USE_DEVICE_RDMA=1\n" : ""}${image === undefined ? "" : `# Container: needs pyxis and enroot.\ncontainer=(--container-image=${sh(image)} --container-mounts="$here:$here,$root:$root")\n`}${how.srun} --kill-on-bad-exit=1${image === undefined ? "" : ' "${container[@]}"'} bash "$here/engine/entry.sh"
`.replace(/\n{3,}/g, "\n\n");
}
