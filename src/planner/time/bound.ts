/** Below every candidate of given degrees, whatever its split, recomputation, schedule. */
import type { Candidate, StageContext } from "../types.js";
import { layerNumbers } from "./job.js";
import { jobOfDegrees } from "./job-of-candidate.js";

const counts = new WeakMap<readonly string[], ReadonlyMap<string, number>>();
function countsOf(stack: readonly string[]): ReadonlyMap<string, number> {
  const found = counts.get(stack);
  if (found !== undefined) return found;
  const made = new Map<string, number>();
  for (const kind of stack) made.set(kind, (made.get(kind) ?? 0) + 1);
  counts.set(stack, made);
  return made;
}

/** The slowest rank is no faster than the mean, the fullest no emptier; a gather or recomputation only adds. */
export function lowerBound(
  context: StageContext,
  partial: Pick<Candidate, "count" | "contextLength" | "globalBatch" | "parallel">,
): { readonly stepSeconds: number; readonly peakBytes: number } {
  const job = jobOfDegrees(context, partial.parallel, partial.contextLength);
  const { layout, numeric, shape, rates } = job;
  let seconds = 0;
  let trainable = 0;
  let expert = 0;
  let frozen = 0;
  for (const [kind, count] of countsOf(shape.stack)) {
    const { time, memory } = layerNumbers(job, kind);
    seconds += count * (time.forward + time.backward + time.forwardComm + time.backwardComm);
    trainable += count * memory.trainable;
    expert += count * memory.expert;
    frozen += count * memory.frozenBytes;
    if (shape.tied && shape.kinds[kind]!.role === "embedding") {
      trainable -= memory.trainable;
      frozen -= memory.frozenBytes;
    }
  }
  const sharded = layout.shard === "zero3" || layout.shard === "hsdp";
  const replicas = layout.data * layout.context;
  const held = sharded ? layout.shardGroup : 1;
  const state = layout.shard === "none" ? 1 : sharded ? layout.shardGroup : replicas;
  const dense = trainable - expert;
  const setting = context.stage.offload.value;
  const mayOffload = context.engine.can.offload.some((o) => o === "optimizer" || o === "both");
  const fixed = setting.kind === "fixed" ? setting.value : undefined;
  const onHost = fixed === undefined ? mayOffload : fixed === "optimizer" || fixed === "both";
  const part = (bytes: number, by: number): number => bytes * (dense / by + expert / Math.max(1, by / layout.expert));
  const gradientShare = sharded || layout.shard === "zero2" ? state : 1;
  const bytes =
    part(numeric.weights, held) +
    frozen / held +
    numeric.gradients *
      (dense / gradientShare + expert / Math.max(1, gradientShare > 1 ? gradientShare / layout.expert : 1)) +
    (onHost ? 0 : part(numeric.optimizer, state));
  const p = layout.pipeline;
  return {
    stepSeconds: (0.999999 * (layout.accumulation * seconds)) / p + rates.stack.stepSeconds * 0.999,
    peakBytes: (0.999999 * Math.max(0, bytes)) / p,
  };
}
