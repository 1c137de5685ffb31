import type { Precision } from "../../checker/pipeline.js";
import type { ModelGraph } from "../../model/graph.js";
import { elementBytes } from "../bytes.js";
import type { LayoutPlan, ParallelPlan } from "../plan.js";
import { axesOf, type MeshAxis } from "./mesh.js";

type Weight = ModelGraph["kinds"][string]["weights"][string];

/** Axes whose ranks have the same batch of data or parts of it: what replicas are made of. */
const replicates = ({ axis }: MeshAxis): boolean => axis !== "tensor" && axis !== "pipeline";

/** Where one weight lives on an axis. Full and hybrid sharding cut the first dimension, whatever else does. */
function placementOn(a: MeshAxis, w: Weight, parallel: ParallelPlan): string {
  if (a.axis === "pipeline") return "by layer";
  // Experts are the first dimension of their weights.
  const expert = w.copies > 1;
  if (expert && parallel.expert > 1 && a.dealsExperts) return "shard(0)";
  if (a.axis === "tensor") {
    const dimension = w.split.tensor;
    if (dimension === undefined || (expert && parallel.expert > 1)) return "replicate";
    return `shard(${dimension + (expert ? 1 : 0)})`;
  }
  const full = parallel.shard === "zero3" || (parallel.shard === "hsdp" && a.axis !== "replicate");
  return full ? "shard(0)" : "replicate";
}

/** Where every weight lives on every axis of the mesh. Layers are dealt out over the pipeline axis whole. */
export function tensorPlacements(
  graph: ModelGraph,
  parallel: ParallelPlan,
  precision: Precision,
): LayoutPlan["tensors"] {
  const axes = [...axesOf(parallel)].reverse();
  return Object.values(graph.kinds).flatMap((kind) =>
    Object.values(kind.weights).map((w) => {
      const placement: Record<string, string> = {};
      let parts = 1;
      for (const a of axes) {
        const place = placementOn(a, w, parallel);
        placement[a.axis] = place;
        if (place.startsWith("shard")) parts *= a.size;
      }
      const elements = w.shape.reduce((a, b) => a * b, 1) * w.copies;
      const width = elementBytes[w.stored ?? precision.weights.value] ?? 2;
      return {
        kind: kind.id,
        name: w.name,
        shape: w.copies > 1 ? [w.copies, ...w.shape] : [...w.shape],
        placement,
        bytes_per_rank: (elements * width) / parts,
      };
    }),
  );
}

/** What gradients and optimizer states have beyond the placement of their weights: the axes that ZeRO shards them over. */
export function statePlacements(parallel: ParallelPlan): NonNullable<LayoutPlan["states"]> {
  const { shard } = parallel;
  const axes = axesOf(parallel).filter(replicates);
  const over = (on: boolean): readonly string[] =>
    on ? axes.filter((a) => shard !== "hsdp" || a.axis !== "replicate").map((a) => a.axis) : [];
  return {
    gradients: over(shard === "zero2" || shard === "zero3" || shard === "hsdp"),
    optimizer: over(shard !== "none"),
  };
}
