/** Engines that plans are lowered to. An engine of the catalog without a line here runs only inside this project (`llmp`). */
import { fastLlm } from "./fast_llm/index.js";
import { megatron } from "./megatron/index.js";
import { nxd } from "./nxd/index.js";
import { smp } from "./smp/index.js";
import { torchtitan } from "./torchtitan/index.js";
import { trl } from "./trl/index.js";
import type { EngineLowering } from "./types.js";
import { verl } from "./verl/index.js";

export const lowerings: readonly EngineLowering[] = [megatron, torchtitan, trl, fastLlm, nxd, smp, verl];

export const loweringOf = (engine: string): EngineLowering | undefined => lowerings.find((l) => l.name === engine);
