import type { MemoryPlan, ParallelPlan, PhasePlan } from "../../planner/plan.js";
import { formatBytes, formatGiB } from "../../units/index.js";

/** Names of phases for people, with the model that works in them. */
const phases: Readonly<Record<string, string>> = {
  "rollout.prefill": "rollouts: read prompts",
  "rollout.decode": "rollouts: write answers",
  reward: "rewards",
  old_log_probs: "policy: log-probabilities",
  reference: "reference: log-probabilities",
  teacher: "teacher: forward",
  update: "policy: update",
};
export const phaseName = (p: PhasePlan): string => phases[p.phase] ?? p.phase;

const shortNames: readonly (readonly [RegExp, string])[] = [
  [/^optimizer/, "optimizer"],
  [/^saved activations/, "activations"],
  [/^gathered layers/, "gather buffers"],
  [/^weight-gradient/, "weight-gradient buffers"],
];

/** What a peak is made of, in a line: "weights 3.1, optimizer 9.4, activations 41.2 GiB"; the largest first. */
export function peakParts({ breakdown, peak_bytes }: Pick<MemoryPlan, "breakdown" | "peak_bytes">): string {
  const small = peak_bytes < 1024 ** 3;
  const parts = [...breakdown]
    .sort((a, b) => b.bytes - a.bytes)
    .filter((i) => i.bytes > peak_bytes * 0.001)
    .map(({ what, bytes }) => {
      const name = shortNames.find(([pattern]) => pattern.test(what))?.[1] ?? what;
      return `${name} ${small ? formatBytes(bytes) : formatGiB(bytes)}`;
    });
  return `${parts.join(", ")}${small ? "" : " GiB"}`;
}

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
