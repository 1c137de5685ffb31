/** Our own runtime as a cost model: memory and time of the very program that runs, played on shapes. */

import { objectivePrograms, sharesWeights } from "../program/index.js";
import { defaultMachine, type LocalOptions, type LocalPrediction, predictLocal, runsHere } from "./local/index.js";
import { predictRanks } from "./local/ranks.js";
import { type Team, teamOf } from "./local/team.js";
import type { Candidate, CostModel, LayerCost, StageContext } from "./types.js";

const cache = new WeakMap<StageContext, Map<string, LocalPrediction>>();

function predict(context: StageContext, candidate: Candidate): LocalPrediction {
  const known = cache.get(context) ?? new Map<string, LocalPrediction>();
  cache.set(context, known);
  const { parallel: p, contextLength, recompute } = candidate;
  const key = JSON.stringify([p, candidate.chunks, contextLength, recompute.map((r) => [r.mode, r.ops])]);
  const found = known.get(key);
  if (found !== undefined) return found;
  const { stage, precision } = context;
  const role = objectivePrograms[stage.objective.kind]?.role(stage.objective.options);
  const other = role === undefined ? undefined : context[role];
  const machine = context.local ?? defaultMachine;
  const options: LocalOptions = {
    compute: precision.compute.value,
    recipe: precision.recipe.value,
    optimizer: stage.optimizer.value.kind,
    packing: stage.packing.value,
    objective: stage.objective,
    ...(other === undefined ? {} : { other }),
    shares: sharesWeights(stage),
  };
  const alone =
    p.pipeline * p.data * p.context * p.tensor === 1 ||
    !runsHere(context.policy) ||
    (other !== undefined && !runsHere(other)) ||
    objectivePrograms[stage.objective.kind] === undefined;
  const made = alone
    ? predictLocal(context.policy, candidate, machine, options)
    : predictRanks(context.policy, candidate, machine, options);
  known.set(key, made);
  return made;
}

/** All workers of a candidate, each of which the prediction is of. */
const team = (context: StageContext, candidate: Candidate): Team =>
  teamOf(predict(context, candidate), context.policy, candidate.parallel, context.local ?? defaultMachine);

/** Bytes of a saved tensor for so many tokens; our runtime computes in fp32. */
function tensorBytes(context: StageContext, kind: string, id: string, sequences: number, length: number): number {
  const shape = context.policy.kinds[kind]!.tensors[id]?.shape ?? [];
  const sizes: Readonly<Record<string, number>> = {
    tokens: sequences * length,
    sequences,
    seq: length,
    routed_tokens: sequences * length,
  };
  return 4 * shape.reduce<number>((n, d) => n * (typeof d === "number" ? d : sizes[d]!), shape.length === 0 ? 0 : 1);
}

/** What each op saves (a tensor counts for the op that makes it) and which ops it needs to be recomputed. */
function ops(context: StageContext, kind: string, sequences: number, length: number): LayerCost["ops"] {
  const layer = context.policy.kinds[kind]!;
  const saved = new Set(layer.ops.flatMap((op) => op.saves).filter((id) => id !== layer.input));
  const makers = new Map(layer.ops.flatMap((op) => op.outputs.map((id) => [id, op.id] as const)));
  return layer.ops.map((op) => {
    const own = new Set([...op.outputs, ...op.saves.filter((id) => !makers.has(id))]);
    const kept = [...own].filter((id) => saved.has(id));
    const work = op.flopsPerToken + (op.flopsPerTokenPair * (length + 1)) / 2;
    return {
      id: op.id,
      module: op.module,
      savedBytes: kept.reduce((sum, id) => sum + tensorBytes(context, kind, id, sequences, length), 0),
      forwardSeconds: (work * sequences * length) / rate(context),
      needs: [...new Set(op.inputs.flatMap((id) => makers.get(id) ?? []))],
    };
  });
}

/** Forward FLOPs of one token through a kind of layer. */
function flops(context: StageContext, kind: string, contextLength: number): number {
  return context.policy.kinds[kind]!.ops.reduce(
    (sum, op) => sum + op.flopsPerToken + (op.flopsPerTokenPair * (contextLength + 1)) / 2,
    0,
  );
}

const rate = (context: StageContext): number => (context.local ?? defaultMachine).matmulFlops;

export const localModel: CostModel = {
  /** To balance a rehearsed pipeline and to place recomputation; peak and time are the program's own. */
  layerCost(context, kind, { parallel, contextLength }): LayerCost {
    const forwardSeconds = (flops(context, kind, contextLength) * parallel.micro_batch * contextLength) / rate(context);
    const list = ops(context, kind, parallel.micro_batch, contextLength);
    const layer = context.policy.kinds[kind]!;
    return {
      kind,
      forwardSeconds,
      backwardSeconds: 2 * forwardSeconds,
      forwardCommSeconds: 0,
      backwardCommSeconds: 0,
      savedBytes: list.reduce((sum, op) => sum + op.savedBytes, 0),
      inputBytes: tensorBytes(context, kind, layer.input, parallel.micro_batch, contextLength),
      forwardTemporaryBytes: 0,
      backwardTemporaryBytes: 0,
      ops: list,
      parameters: [0, 0],
      expertParameters: 0,
    };
  },
  evaluate(context, candidate) {
    const { peakBytes, stepSeconds, fits } = team(context, candidate);
    return { fits, peakBytes, stepSeconds };
  },
  /** Few layouts exist here: each is evaluated. */
  lowerBound: () => ({ stepSeconds: 0, peakBytes: 0 }),
  memoryPlan(context, candidate) {
    const { peakBytes, restBytes, fits, machineBytes, capacityBytes: capacity } = team(context, candidate);
    const breakdown = [
      { what: "weights, gradients, optimizer", bytes: restBytes },
      { what: "activations and temporaries", bytes: Math.max(0, peakBytes - restBytes) },
    ];
    return {
      peak_bytes: peakBytes,
      reserved_bytes: peakBytes,
      driver_bytes: peakBytes,
      capacity_bytes: capacity,
      fits,
      host_bytes: machineBytes,
      disk_bytes: 16 * context.policy.parameters,
      peak_at: "the largest moment of a micro-batch",
      breakdown,
      ranks: [{ rank: 0, peak_bytes: peakBytes, breakdown }],
      timeline: [],
    };
  },
  timePlan(context, candidate) {
    const { stepSeconds, computeSeconds, allReduceSeconds } = team(context, candidate);
    const tokens = candidate.globalBatch * candidate.contextLength;
    const forward = context.policy.stack.reduce((sum, kind) => sum + flops(context, kind, candidate.contextLength), 0);
    const devices = candidate.count * context.instance.accelerators;
    const perSecond = tokens / stepSeconds;
    return {
      step_seconds: stepSeconds,
      tokens_per_second: perSecond,
      tokens_per_second_per_device: perSecond / devices,
      mfu: (3 * forward * perSecond) / (rate(context) * devices),
      breakdown: [
        { what: "compute", seconds: computeSeconds },
        ...(allReduceSeconds > 0 ? [{ what: "sum of gradients over workers", seconds: allReduceSeconds }] : []),
      ],
      schedule: [],
    };
  },
};
