import { fastDomain } from "../../hardware/index.js";
import type { Accelerator, Instance } from "../../hardware/types.js";
import type { LayoutPlan, ParallelPlan } from "../plan.js";

/**
 * Axes from the slowest link to the fastest. Tensor ranks talk in every layer, so they sit next to each other; then context,
 * data (gradients once a step, weights once a layer under FSDP); the pipeline sends least and takes the slowest links.
 */
export function meshOf(parallel: ParallelPlan, instance: Instance, accelerator: Accelerator): LayoutPlan["mesh"] {
  const within = Math.max(1, fastDomain(accelerator, instance));
  const axes = [
    { axis: "tensor", size: parallel.tensor },
    { axis: "context", size: parallel.context },
    ...dataAxes(parallel),
    { axis: "pipeline", size: parallel.pipeline },
  ];
  let stride = 1;
  const mesh = axes.map(({ axis, size }) => {
    stride *= size;
    return { axis, size, link: stride <= within ? accelerator.intraKind : "network" };
  });
  return mesh.filter((m) => m.size > 1).reverse();
}

/** Under hybrid sharding, and where experts take a part of the data axis, the data axis is two. */
function dataAxes(p: ParallelPlan): { axis: string; size: number }[] {
  if (p.shard !== "hsdp") return [{ axis: "data", size: p.data }];
  const inner = Math.max(1, p.shard_group / p.context);
  return [
    { axis: "shard", size: inner },
    { axis: "replicate", size: p.data / inner },
  ];
}
