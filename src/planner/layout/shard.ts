import type { Shard } from "../../checker/pipeline.js";

/** Weights are sharded too, and gathered layer by layer (FSDP). */
export const gathersWeights = (shard: Shard): boolean => shard === "zero3" || shard === "hsdp";
