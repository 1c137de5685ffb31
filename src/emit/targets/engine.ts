/** Only the engine's configuration, for people with their own machines: plain torchrun, Slurm, Kubernetes. */
import { eachStage, readme } from "../common/target.js";
import type { Emitter } from "../types.js";

const providers = ["local", "sagemaker", "hyperpod", "batch", "kubernetes", "slurm"];

export const engine: Emitter = {
  name: "engine",
  doc: "the engine's own configuration and entry.sh, for any machine with torchrun",
  providers,
  emit: (plan) =>
    eachStage(plan, "engine", providers, ({ view, bundle }) => ({
      value: [
        readme(view, bundle, {
          command:
            view.nodes === 1
              ? "bash engine/entry.sh"
              : `NNODES=${view.nodes} NODE_RANK=0 MASTER_ADDR=first-host bash engine/entry.sh`,
          also: [
            "Inputs are read from `input/<name>` beside `engine/` (links are fine), or `$LLMP_INPUT`; results go to `output/` and `checkpoints/`.",
            ...(view.nodes === 1
              ? []
              : ["On every node, each with its own NODE_RANK, and the first host's name as MASTER_ADDR."]),
          ],
        }),
      ],
      diagnostics: [],
    })),
};
