/** Costs of one layer kind as the search sees them. */
import type { Candidate, LayerCost, StageContext } from "../types.js";
import { layerNumbers } from "./job.js";
import { jobOfDegrees } from "./job-of-candidate.js";

export function layerCost(
  context: StageContext,
  kind: string,
  candidate: Pick<Candidate, "parallel" | "contextLength">,
): LayerCost {
  const job = jobOfDegrees(context, candidate.parallel, candidate.contextLength);
  const { time, memory } = layerNumbers(job, kind);
  const shape = job.shape.kinds[kind]!;
  const ops = context.policy.kinds[kind]!.ops;
  const makers = new Map(ops.flatMap((op) => op.outputs.map((id) => [id, op.id] as const)));
  const dropped = Math.max(0, memory.saved - memory.input);
  return {
    kind,
    forwardSeconds: time.forward,
    backwardSeconds: time.backward,
    forwardCommSeconds: time.forwardComm,
    backwardCommSeconds: time.backwardComm,
    savedBytes: memory.saved,
    inputBytes: memory.input,
    forwardTemporaryBytes: memory.forwardTemporary,
    backwardTemporaryBytes: memory.backwardTemporary,
    ops: ops.map((op) => ({
      id: op.id,
      module: op.module,
      savedBytes: dropped * (shape.opShares?.get(op.id) ?? 0),
      forwardSeconds: (time.ops.get(op.id) ?? 0) * job.rates.factor,
      needs: [...new Set(op.inputs.flatMap((id) => makers.get(id) ?? []))],
    })),
    parameters: [memory.trainable, memory.frozen],
    expertParameters: memory.expert,
  };
}
