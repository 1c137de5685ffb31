/** Gathering sharded weights layer by layer (FSDP), and what work hides of it. */
import { gathersWeights } from "../layout/index.js";
import type { LayerMemory } from "../memory/layer.js";
import { contendedSeconds, type Group, gatherSeconds, groupOf } from "./collectives.js";
import type { Job } from "./job.js";
import type { Rates } from "./rates.js";

export const isSharded = (job: Job): boolean => gathersWeights(job.layout.shard);

/** Ranks that gather weights layer by layer; undefined: none do. */
export function gatherGroup(job: Job): Group | undefined {
  if (!isSharded(job)) return undefined;
  const group = groupOf(job.rates, job.layout.shardGroup, job.layout.tensor);
  return group.size > 1 ? group : undefined;
}

/** Seconds of traffic, and for how long it takes bandwidth from kernels beside it. */
export interface Traffic {
  readonly seconds: number;
  readonly contended: number;
}

/** Gathering a layer's weights, for the forward; the same and reducing its gradients, for the backward. */
export function gatherTraffic(
  job: Job,
  memory: LayerMemory,
  group: Group,
): { readonly forward: Traffic; readonly backward: Traffic } {
  const { rates, numeric } = job;
  const gather = (memory.trainable + memory.frozen - memory.expert) * numeric.gather;
  const reduce = memory.trainable * numeric.reduce;
  const seconds = gatherSeconds(rates, gather, group);
  const contended = contendedSeconds(rates, gather, group);
  return {
    forward: { seconds, contended },
    backward: {
      seconds: seconds + gatherSeconds(rates, reduce, group),
      contended: contended + contendedSeconds(rates, reduce, group),
    },
  };
}

/** Work and the traffic beside it, as far as the engine overlaps them. */
export function underGather({ stack }: Rates, work: number, { seconds, contended }: Traffic): number {
  return stack.overlap.fsdpPrefetch
    ? Math.max(work + stack.fsdpTax * Math.min(work, contended), seconds)
    : work + seconds;
}
