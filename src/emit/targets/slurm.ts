/** Any Slurm: one sbatch script a stage, `submit.sh` over several. */
import { chainScript } from "../common/chain.js";
import { sbatch } from "../common/sbatch.js";
import { eachStage, readme } from "../common/target.js";
import type { Emitter } from "../types.js";

/** Slurm scripts of a provider; `srun` is how each node's entry.sh is started. */
export const slurmEmitter = (
  name: string,
  doc: string,
  providers: readonly string[],
  how: { readonly srun: string; readonly requeue: boolean; readonly note: string },
): Emitter => ({
  name,
  doc,
  providers,
  emit: (plan) => {
    const outcome = eachStage(plan, name, providers, ({ view, bundle }, all) => ({
      value: [
        { path: `${view.folder}job.sbatch`, text: sbatch(view, how), executable: true },
        readme(view, bundle, {
          command: all.length > 1 ? "../submit.sh" : "sbatch job.sbatch",
          also: [
            how.note,
            "Run it in this folder, which all nodes must see; local data is looked for from here upwards, or in LLMP_PROJECT, the folder of the `.llmp` file.",
          ],
        }),
      ],
      diagnostics: [],
    }));
    if (outcome.value === undefined || outcome.stages.length < 2) return outcome;
    return {
      ...outcome,
      value: [...outcome.value, { path: "submit.sh", text: chainScript(outcome.stages), executable: true }],
    };
  },
});

export const slurm = slurmEmitter("slurm", "any Slurm: sbatch scripts, chained by dependencies", ["slurm"], {
  srun: "srun",
  requeue: true,
  note: "A preempted job is requeued and goes on from its last checkpoint.",
});
