import { chunksOfTrunk } from "../../common/lower.js";
import type { StageView } from "../../common/stage.js";

const schedules: Readonly<Record<string, string>> = {
  gpipe: "GPipe",
  "1f1b": "1F1B",
  interleaved: "Interleaved1F1B",
  zero_bubble: "ZBVZeroBubble",
  dualpipe: "DualPipeV",
};

export const scheduleName = (view: StageView): string => schedules[view.stage.parallel.schedule] ?? "1F1B";

/** `data_parallel_replicate_degree` × `data_parallel_shard_degree` = data (context ranks join the shard mesh). */
export function degrees(view: StageView): { readonly replicate: number; readonly shard: number } {
  const { parallel } = view.stage;
  if (parallel.shard === "none") return { replicate: parallel.data, shard: 1 };
  const group =
    parallel.shard === "hsdp" ? Math.max(1, Math.round(parallel.shard_group / parallel.context)) : parallel.data;
  return { replicate: Math.max(1, Math.round(parallel.data / group)), shard: group };
}

/** Module names of every model part (pipeline × virtual), embedding and head included. */
export function moduleNames(view: StageView): string[][] {
  const chunks = chunksOfTrunk(view);
  return chunks.map((chunk, i) => [
    ...(i === 0 ? ["tok_embeddings"] : []),
    ...chunk.map((index) => `layers.${index - 1}`),
    ...(i === chunks.length - 1 ? ["norm", "output"] : []),
  ]);
}
