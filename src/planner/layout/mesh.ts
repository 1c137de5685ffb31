import { fastDomain } from "../../hardware/index.js";
import type { Accelerator, Instance } from "../../hardware/types.js";
import type { LayoutPlan, ParallelPlan } from "../plan.js";

/** What an axis splits, apart from its name. */
export type AxisRole = "tensor" | "context" | "expert" | "data" | "shard" | "replicate" | "pipeline";

export interface MeshAxis {
  readonly axis: AxisRole;
  readonly size: number;
  /** Devices between neighbours on the axis. */
  readonly stride: number;
  /** Experts are dealt out over these ranks. */
  readonly dealsExperts: boolean;
}

/**
 * The mesh from the fastest axis to the slowest. Tensor ranks talk in every layer, so they sit next to each other; then
 * context, then data (gradients once a step, weights once a layer under FSDP); the pipeline sends least and takes the slowest
 * links. This is the order of Megatron-Core's and torchtitan's ranks. Experts are dealt out over the fastest ranks whatever
 * they do for the rest of the layer; where that ends inside the data axis, the axis is two: `expert` and the rest.
 */
export function axesOf(parallel: ParallelPlan): readonly MeshAxis[] {
  let experts = parallel.expert;
  let stride = 1;
  const made: MeshAxis[] = [];
  const add = (axis: AxisRole, size: number, dealsExperts: boolean): void => {
    if (size > 1) made.push({ axis, size, stride, dealsExperts });
    stride *= size;
  };
  const axes: readonly (readonly [AxisRole, number])[] = [
    ["tensor", parallel.tensor],
    ["context", parallel.context],
    ...dataAxes(parallel),
  ];
  for (const [axis, size] of axes) {
    const dealt = gcd(experts, size);
    experts /= dealt;
    if (dealt === size || dealt === 1) add(axis, size, dealt > 1);
    else {
      add("expert", dealt, true);
      add(axis, size / dealt, false);
    }
  }
  add("pipeline", parallel.pipeline, false);
  return made;
}

/** Under hybrid sharding the data axis is two. */
function dataAxes(p: ParallelPlan): (readonly [AxisRole, number])[] {
  if (p.shard !== "hsdp") return [["data", p.data]];
  const inner = Math.max(1, p.shard_group / p.context);
  return [
    ["shard", inner],
    ["replicate", p.data / inner],
  ];
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

/** As the plan shows it: axes from the slowest link to the fastest, each with the links that a group of its ranks uses. */
export function meshOf(parallel: ParallelPlan, instance: Instance, accelerator: Accelerator): LayoutPlan["mesh"] {
  const within = Math.max(1, fastDomain(accelerator, instance));
  return axesOf(parallel)
    .map(({ axis, size, stride }) => {
      const local = Math.max(1, Math.min(size, Math.floor(within / stride)));
      const link =
        local === size
          ? accelerator.intraKind
          : local > 1
            ? `${accelerator.intraKind} by ${local}, network`
            : "network";
      return { axis, size, link };
    })
    .reverse();
}
