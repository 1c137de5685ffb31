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
    const expert = pattern.includes("{expert}");
    if (expert && parallel.expert > 1) {
      // Experts are the first dimension of their weights; how far they are spread beyond follows from the degrees.
      if (!Object.values(placement).includes("shard(0)"))
        wrong.add(`${pattern}: experts spread, and the plan says otherwise`);
      continue;
    }
    const wanted = parallel.tensor === 1 ? "replicate" : (placement.tensor ?? "replicate");
    const found = tensor === undefined ? "replicate" : `shard(${tensor + (expert ? 1 : 0)})`;
    if (wanted !== found) wrong.add(`${pattern}: ${found} on the tensor axis, and the plan says ${wanted}`);
    const spread = parallel.data * parallel.context > 1 && shardedBy(placement, ["data", "shard", "context"]);
    if (spread !== shards > 1)
      wrong.add(`${pattern}: ${shards > 1 ? "sharded" : "whole"} on the data axis, and the plan says otherwise`);
  }
  return [...wrong];
}
