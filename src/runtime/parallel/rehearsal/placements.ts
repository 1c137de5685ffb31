import type { ParallelPlan, StagePlan } from "../../../planner/plan.js";
import type { Placement } from "../job.js";

const shardedBy = (placement: Readonly<Record<string, string>>, axes: readonly string[]): boolean =>
  axes.some((axis) => placement[axis]?.startsWith("shard(") === true);

/** Weights that the ranks put elsewhere than the plan's layout says, with both placements. */
export function misplaced(
  planned: StagePlan,
  parallel: ParallelPlan,
  ranks: readonly (readonly Placement[])[],
): readonly string[] {
  const wrong = new Set<string>();
  const tensors = new Map(planned.layout.tensors.map((t) => [t.name, t.placement]));
  for (const { pattern, tensor, shards } of ranks.flat()) {
    const placement = tensors.get(pattern);
    if (placement === undefined) {
      wrong.add(`${pattern}: the plan has no such weight`);
      continue;
    }
    const wanted = parallel.tensor === 1 ? "replicate" : (placement.tensor ?? "replicate");
    const found = tensor === undefined ? "replicate" : `shard(${tensor})`;
    if (wanted !== found) wrong.add(`${pattern}: ${found} on the tensor axis, and the plan says ${wanted}`);
    // Experts are spread over the expert axis first; how far beyond follows from the degrees.
    if (parallel.expert > 1 && pattern.includes("{expert}")) {
      if (placement.expert !== "shard(experts)") wrong.add(`${pattern}: experts spread, and the plan says otherwise`);
      continue;
    }
    const spread = parallel.data * parallel.context > 1 && shardedBy(placement, ["data", "shard", "context"]);
    if (spread !== shards > 1)
      wrong.add(`${pattern}: ${shards > 1 ? "sharded" : "whole"} on the data axis, and the plan says otherwise`);
  }
  return [...wrong];
}
