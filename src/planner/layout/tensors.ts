import type { Precision } from "../../checker/pipeline.js";
import type { ModelGraph } from "../../model/graph.js";
import { elementBytes } from "../bytes.js";
import type { LayoutPlan, ParallelPlan } from "../plan.js";

/** Where every weight lives on every axis of the mesh. Layers are dealt out over the pipeline axis whole. */
export function tensorPlacements(
  graph: ModelGraph,
  parallel: ParallelPlan,
  precision: Precision,
  mesh: LayoutPlan["mesh"],
): LayoutPlan["tensors"] {
  const sharded = parallel.shard === "zero3" || parallel.shard === "hsdp";
  const axes = mesh.map((m) => m.axis);
  return Object.values(graph.kinds).flatMap((kind) =>
    Object.values(kind.weights).map((w) => {
      const placement: Record<string, string> = {};
      let parts = 1;
      for (const axis of axes) {
        const size = mesh.find((m) => m.axis === axis)!.size;
        if (axis === "tensor" && w.split.tensor !== undefined) {
          placement[axis] = `shard(${w.split.tensor})`;
          parts *= size;
        } else if (sharded && (axis === "data" || axis === "shard" || axis === "context")) {
          placement[axis] = "shard(0)";
          parts *= size;
        } else placement[axis] = axis === "pipeline" ? "by layer" : "replicate";
      }
      if (parallel.expert > 1) {
        placement.expert = w.copies > 1 ? "shard(experts)" : "replicate";
        // Experts are spread over ranks of the data axis, which then split what is left of each.
        if (w.copies > 1) parts = Math.max(parts, parallel.expert);
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
