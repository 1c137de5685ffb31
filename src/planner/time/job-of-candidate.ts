/** A plan's candidate as numbers for the physics; what does not change between candidates is made once. */
import { objectiveByName } from "../../catalog/index.js";
import type { Dtype, Precision, Shard } from "../../checker/pipeline.js";
import { deviceMemory, fastDomain } from "../../hardware/index.js";
import { type ObjectiveGraph, objectiveGraph } from "../../model/index.js";
import { sharesWeights } from "../../program/index.js";
import { elementBytes } from "../bytes.js";
import { gathersWeights } from "../layout/index.js";
import type { RecomputeLayer } from "../plan.js";
import type { Candidate, HeldLayers, StageContext } from "../types.js";
import {
  type Job,
  type JobPhase,
  type LayerCache,
  type Layout,
  type Numeric,
  numbersAt,
  type Part,
  type RankProfile,
} from "./job.js";
import { type Machine, ratesOf } from "./rates.js";
import type { ModelShape } from "./shape.js";
import { shapeOfGraph } from "./shape-of-graph.js";

interface Prepared {
  readonly rates: Job["rates"];
  readonly shape: ModelShape;
  readonly cache: LayerCache;
  readonly phases: readonly JobPhase[];
  readonly answer: number;
  readonly logitsCopies: number;
  /** Sequences of one sample that run together (DPO: chosen and rejected). */
  readonly together: number;
  /** Samples drawn for each prompt, which run as further micro-batches (GRPO's group). */
  readonly group: number;
}

const prepared = new WeakMap<StageContext, Prepared>();

export function machineOf({ accelerator, instance }: StageContext): Machine {
  return {
    name: accelerator.name,
    generation: accelerator.generation,
    peakFlops: accelerator.peakFlops,
    memoryBytes: deviceMemory(instance, accelerator),
    memoryBandwidth: accelerator.memoryBandwidth,
    intraBandwidth: accelerator.intraBandwidth,
    domain: fastDomain(accelerator, instance),
    perNode: instance.accelerators,
    nodeBandwidth: instance.networkBandwidth,
    power: 1,
  };
}

function prepare(context: StageContext): Prepared {
  const found = prepared.get(context);
  if (found !== undefined) return found;
  const { policy } = context;
  const objective = objectiveByName(context.stage.objective.kind);
  const graph = objectiveOf(context);
  const trained = objective?.passes.find((p) => p.kind === "train");
  const sequences = graph.phases.find((p) => p.kind === "train")?.sequences ?? 1;
  const together = trained !== undefined && typeof trained.sequences === "number" ? trained.sequences : 1;
  const phases = graph.phases
    .filter((phase) => phase.kind !== "train")
    .map((phase): JobPhase => {
      const role = graph.roles[phase.role]!;
      return {
        phase,
        shape: shapeOfGraph(role.graph),
        share: phase.sequences / sequences,
        holds: !role.trained && role.shares === undefined,
        bytes: frozenBytes(context, phase.role),
        cache: new Map(),
      };
    });
  const calibrated = context.calibration?.stacks.find(
    (s) =>
      (s.engine === context.engine.name || context.engine.aliases.includes(s.engine)) &&
      s.accelerator === context.accelerator.name,
  );
  const rates = ratesOf(machineOf(context), context.engine.stack, context.precision.compute.value);
  const made: Prepared = {
    rates: { ...rates, factor: rates.factor * (calibrated?.timeFactor ?? 1) },
    shape: shapeOfGraph(policy),
    cache: new Map(),
    phases,
    answer: graph.answer,
    logitsCopies: objective?.logitsCopies ?? 1,
    together,
    group: Math.max(1, sequences / together),
  };
  prepared.set(context, made);
  return made;
}

/** Engines load a reference as they load the policy, a teacher in what it computes in. */
function frozenBytes({ precision, stage }: StageContext, role: string): number {
  if (role === "teacher")
    return /32$/.test(precision.compute.value) ? 4 : Math.min(2, bytesOf(precision.weights.value));
  const weights = bytesOf(precision.weights.value);
  const master = stage.adapter === undefined ? precision.masterWeights.value : "none";
  return Math.max(weights, master === "none" ? 0 : bytesOf(master));
}

/** The stage's roles and phases. */
export function objectiveOf({ stage, policy, reference, teacher, engine }: StageContext): ObjectiveGraph {
  const descriptor = objectiveByName(stage.objective.kind) ?? { name: stage.objective.kind, passes: [] };
  return objectiveGraph(descriptor, {
    policy,
    ...(reference === undefined ? {} : { reference }),
    ...(teacher === undefined ? {} : { teacher }),
    sharesBase: sharesWeights(stage),
    options: stage.objective.options,
    oldLogProbs: engine.can.rollout?.oldLogProbs === true,
  });
}

const bytesOf = (dtype: Dtype | "none"): number => elementBytes[dtype]!;

/** Optimizer states an element, by optimizer: AdamW two, and so on; the catalog says. */
function numeric(context: StageContext, shard: Shard): Numeric {
  const p: Precision = context.precision;
  const states = statesOf(context) * bytesOf(p.optimizerState.value);
  const master = p.masterWeights.value === "none" ? 0 : bytesOf(p.masterWeights.value);
  const weights = bytesOf(p.weights.value);
  const sharded = gathersWeights(shard);
  // Under FSDP the sharded weights are the master copy.
  const kept = sharded ? Math.max(weights, master) : weights;
  return {
    weights: kept,
    gradients: Math.max(bytesOf(p.gradients.value), sharded ? kept : 0),
    optimizer: states + (sharded || weights >= master ? 0 : master),
    gather: Math.min(2, weights),
    reduce: bytesOf(p.reduce.value),
  };
}

const optimizerStates: Readonly<Record<string, number>> = {
  adamw: 2,
  adam: 2,
  sgd: 1,
  lion: 1,
  muon: 1,
  adafactor: 0.01,
};
const statesOf = (context: StageContext): number => optimizerStates[context.stage.optimizer.value.kind] ?? 2;

const profiles = new WeakMap<Candidate["recompute"], WeakMap<Candidate["chunks"], readonly RankProfile[]>>();

/** One layer of the stack under its recomputation. */
export function treatedAs(shape: ModelShape, kind: string, layer: Omit<RecomputeLayer, "layer">): Part {
  const attention = shape.kinds[kind]!.attention?.op;
  const selective = layer.mode === "ops" && layer.ops.length === 1 && layer.ops[0] === attention;
  return {
    kind,
    mode: selective ? "selective" : layer.mode,
    ops: layer.ops,
    offloaded: layer.offload.length > 0,
    count: 1,
  };
}

/** What each rank holds, layers that are treated alike counted together. */
export function profilesOf(context: StageContext, candidate: Candidate): readonly RankProfile[] {
  const byChunks = profiles.get(candidate.recompute) ?? new WeakMap();
  profiles.set(candidate.recompute, byChunks);
  const found = byChunks.get(candidate.chunks);
  if (found !== undefined) return found;
  const { stack } = context.policy;
  const shape = shapeOfGraph(context.policy);
  const ranks: Map<string, Part>[] = Array.from({ length: candidate.parallel.pipeline }, () => new Map());
  const firsts = new Set<number>();
  const lasts = new Set<number>();
  for (const chunk of candidate.chunks) {
    const parts = ranks[chunk.rank]!;
    for (let i = chunk.first; i <= chunk.last; i++) {
      const kind = stack[i]!;
      const layer = candidate.recompute[i]!;
      const part = treatedAs(shape, kind, layer);
      const key = `${kind} ${part.mode} ${part.mode === "ops" ? layer.ops.join() : ""} ${part.offloaded}`;
      parts.set(key, { ...part, count: (parts.get(key)?.count ?? 0) + 1 });
      if (i === 0) firsts.add(chunk.rank);
      if (i === stack.length - 1) lasts.add(chunk.rank);
    }
  }
  const made = ranks.map((parts, rank) => ({
    parts: [...parts.values()],
    first: firsts.has(rank),
    last: lasts.has(rank),
  }));
  byChunks.set(candidate.chunks, made);
  return made;
}

export function layoutOf(parallel: Candidate["parallel"], length: number, together = 1, group = 1): Layout {
  const replicas = parallel.data * parallel.context;
  return {
    data: parallel.data,
    shard: parallel.shard,
    shardGroup:
      parallel.shard === "zero3" ? replicas : parallel.shard === "hsdp" ? Math.max(1, parallel.shard_group) : 1,
    tensor: parallel.tensor,
    sequence: parallel.sequence,
    pipeline: parallel.pipeline,
    virtual: parallel.virtual,
    context: parallel.context,
    expert: parallel.expert,
    microBatch: parallel.micro_batch * together,
    accumulation: parallel.accumulation * group,
    schedule: parallel.schedule,
    length,
  };
}

function makeJob(
  context: StageContext,
  parallel: Candidate["parallel"],
  length: number,
  devices: number,
  ranks: Job["ranks"],
  offload: Job["offload"],
): Job {
  const made = prepare(context);
  const layout = layoutOf(parallel, length, made.together, made.group);
  return {
    rates: made.rates,
    shape: made.shape,
    layout,
    ranks,
    numeric: numeric(context, parallel.shard),
    devices,
    offload,
    phases: made.phases,
    ...(context.engine.can.rollout === undefined ? {} : { rollout: context.engine.can.rollout }),
    answer: made.answer,
    logitsCopies: made.logitsCopies,
    cache: made.cache,
    known: numbersAt(made.cache, layout),
  };
}

export const jobOfCandidate = (context: StageContext, c: Candidate): Job =>
  makeJob(
    context,
    c.parallel,
    c.contextLength,
    c.count * context.instance.accelerators,
    profilesOf(context, c),
    c.offload,
  );

const nothing: Job["ranks"] = [];

/** Without layers placed: for costs of single layers and for bounds. */
export const jobOfDegrees = (context: StageContext, p: Candidate["parallel"], length: number): Job =>
  makeJob(context, p, length, p.data * p.tensor * p.pipeline * p.context, nothing, "none");

/** Whose ranks are filled in by the caller. */
export function jobOfRanks(
  context: StageContext,
  of: Pick<Candidate, "count" | "contextLength" | "parallel" | "offload">,
  ranks: RankProfile[],
): Job {
  const { instance } = context;
  return makeJob(context, of.parallel, of.contextLength, of.count * instance.accelerators, ranks, of.offload);
}

export function profileOf(
  context: StageContext,
  layers: readonly HeldLayers[],
  first: boolean,
  last: boolean,
): RankProfile {
  const { stack } = context.policy;
  const shape = shapeOfGraph(context.policy);
  const edge = (kind: string): Part => ({ kind, mode: "none", ops: [], offloaded: false, count: 1 });
  const parts = layers.map((l): Part => ({ ...treatedAs(shape, l.kind, l), count: l.count }));
  return {
    parts: [...(first ? [edge(stack[0]!)] : []), ...parts, ...(last ? [edge(stack.at(-1)!)] : [])],
    first,
    last,
  };
}
