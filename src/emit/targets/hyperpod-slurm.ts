import { slurmEmitter } from "./slurm.js";

/** HyperPod's Slurm restarts a step on replaced nodes when srun is given `--auto-resume=1` (AWS developer guide). */
export const hyperpodSlurm = slurmEmitter(
  "hyperpod-slurm",
  "SageMaker HyperPod on Slurm: sbatch with auto-resume",
  ["hyperpod"],
  {
    srun: "srun --auto-resume=1",
    requeue: false,
    note: "`--auto-resume=1` lets HyperPod replace faulty nodes and restart the step, which goes on from its last checkpoint.",
  },
);
