import type { ParallelPlan } from "../../planner/plan.js";

/** A layout in as few words as it takes: only axes that are split. */
export const describeLayout = (p: ParallelPlan): string => {
  const parts = [
    p.tensor > 1 ? `TP ${p.tensor}` : "",
    p.pipeline > 1 ? `PP ${p.pipeline}${p.virtual > 1 ? `×${p.virtual}` : ""}` : "",
    p.context > 1 ? `CP ${p.context}` : "",
    p.expert > 1 ? `EP ${p.expert}` : "",
    p.shard === "zero3"
      ? `FSDP ${p.shard_group}`
      : p.shard === "hsdp"
        ? `HSDP ${(p.data * p.context) / p.shard_group}×${p.shard_group}`
        : p.data > 1
          ? `DP ${p.data}${p.shard === "none" ? "" : ` ${p.shard}`}`
          : "",
  ].filter((s) => s !== "");
  return parts.length === 0 ? "one device" : parts.join(" · ");
};
