/** Memory and time of a worker of several: the program of its rank (src/program/parallel), played on shapes with nobody else there. */
import type { ModelGraph } from "../../model/graph.js";
import {
  dryRun,
  freeState,
  isOptimizer,
  makeState,
  numericsOf,
  objectivePrograms,
  Rank,
  type RankGroup,
  type RankLinks,
  type RankPlace,
} from "../../program/index.js";
import { evenChunks } from "../layout/index.js";
import { tasksOf } from "../schedule/index.js";
import type { Candidate, LocalMachine } from "../types.js";
import { blankBatch, generate, type LocalOptions, type LocalPrediction, none, ratesOf } from "./index.js";

type Ranked = Pick<Candidate, "parallel" | "contextLength" | "recompute" | "chunks" | "globalBatch">;

/** A group whose others say nothing of interest: only sizes count. */
const silent = (size: number, index: number): RankGroup => ({
  size,
  index,
  allReduce: (x) => x,
  reduceScatter: (_, bounds) => new Float32Array(bounds[index + 1]! - bounds[index]!),
  allGather: (x) => new Float32Array(x.length * size),
  allToAll: (parts) => parts.map(() => parts[index]!),
});

/** What comes for this rank's experts is taken for balanced, also where a rank's few tokens do not spread over all of them. */
const balanced = (size: number, experts: number): RankGroup => ({
  ...silent(size, 0),
  allToAll: (parts) => {
    const sent = parts.reduce((n, p) => n + p.length, 0);
    if (sent !== experts) return parts.map(() => new Float32Array(0));
    const all = parts.reduce((n, p) => n + p.reduce((a, b) => a + b, 0), 0);
    return parts.map(() => new Float32Array(parts[0]!.length).fill(Math.ceil(all / experts)));
  },
});

function linksOf(candidate: Ranked, at: RankPlace, experts: number, boundary: number): RankLinks {
  const { parallel: p } = candidate;
  const replicas = p.data * p.context;
  const shard = p.shard === "hsdp" ? p.shard_group : replicas;
  const index = at.data * p.context + at.context;
  return {
    tensor: silent(p.tensor, at.tensor),
    context: silent(p.context, at.context),
    replicas: silent(replicas, index),
    shard: silent(shard, index % shard),
    acrossShards: silent(replicas / shard, 0),
    expert: balanced(p.expert, experts),
    expertReplicas: silent(replicas / p.expert, Math.floor(index / p.expert)),
    pipelineEnds: silent(at.pipeline === 0 || at.pipeline === p.pipeline - 1 ? Math.min(2, p.pipeline) : 1, 0),
    world: silent(p.pipeline * replicas * p.tensor, 0),
    send: () => {},
    receive: () => new Float32Array(boundary),
  };
}

/** The fullest of a layout's ranks, and the slowest. */
export function predictRanks(
  graph: ModelGraph,
  candidate: Ranked,
  machine: LocalMachine,
  options: LocalOptions,
): LocalPrediction {
  const { parallel: p } = candidate;
  // The last of the context's ranks attends to all keys.
  const each = Array.from({ length: p.pipeline }, (_, pipeline) =>
    predictRank(graph, candidate, machine, options, { pipeline, data: 0, context: p.context - 1, tensor: 0 }),
  );
  const fullest = each.reduce((a, b) => (b.peakBytes > a.peakBytes ? b : a));
  // A pipeline's ranks wait for its first micro-batch to come through.
  const waits = 1 + (p.pipeline - 1) / (p.accumulation * p.virtual);
  return { ...fullest, stepSeconds: waits * Math.max(...each.map((e) => e.stepSeconds)) };
}

function predictRank(
  graph: ModelGraph,
  candidate: Ranked,
  machine: LocalMachine,
  options: LocalOptions,
  at: RankPlace,
): LocalPrediction {
  const { parallel: p, contextLength: length, recompute, chunks } = candidate;
  const objective = options.objective ?? { kind: "pretrain", options: {} };
  const program = objectivePrograms[objective.kind]!;
  const dry = dryRun(machine.backend, ratesOf(machine));
  const { algebra } = dry;
  const numerics = numericsOf(options.compute ?? "fp32", options.recipe ?? "") ?? { round: undefined };
  const named = options.optimizer ?? "adamw";
  const rows = p.micro_batch * program.rows(objective.options);
  const tokens = (rows * length) / p.context / (p.sequence ? p.tensor : 1);
  const experts = Math.max(
    0,
    ...Object.values(graph.kinds).flatMap((k) => Object.values(k.weights).map((w) => w.copies)),
  );
  const empty = () => new Float32Array(0);
  const { other, shares = false } = options;
  const rank = new Rank(algebra, {
    graph,
    layout: { parallel: p, chunks, at },
    links: linksOf(candidate, at, experts, tokens * graph.hidden),
    recompute,
    optimizer: isOptimizer(named) ? named : "adamw",
    numerics,
    objective: program,
    options: objective.options,
    beside:
      other === undefined
        ? undefined
        : { graph: other, chunks: shares ? chunks : evenChunks(other.stack.length - 2, p), shares, load: empty },
    positions: length,
    load: (section) => (section === "weight" ? empty() : undefined),
  });
  // Micro-batches beyond those in flight at once are like others.
  const accumulation = Math.min(p.accumulation, p.pipeline === 1 ? 2 : 4 * p.pipeline);
  const batch = blankBatch(program, rows, length, options.packing === true);
  const micro = Array.from({ length: accumulation }, () => batch);
  const tasks = tasksOf({ ...p, accumulation }, at.pipeline);
  const step = (): void => {
    rank.run(micro, tasks, 1);
    rank.update(none);
  };
  // Zeros take no memory on composed backends: only a step that finds the optimizer's state is like those that follow.
  if (machine.backend !== "wasm") step();
  const restBytes = dry.bytes();
  dry.reset();
  const before = dry.seconds();
  let more = 0;
  if (program.samples === true) {
    const whole = rank.whole();
    const state = whole ?? { ...makeState(algebra, graph, length, empty, false), ...numerics };
    const world = p.pipeline * p.data * p.context * p.tensor;
    const own = Math.max(1, Math.floor((candidate.globalBatch * program.rows(objective.options)) / world));
    const together = Math.min(rows, own);
    more = generate(dry, state, together, length, objective.options);
    more = (dry.seconds() - before + more) * Math.ceil(own / together) - (dry.seconds() - before);
    if (whole === undefined) freeState(algebra, state);
  }
  const generated = dry.seconds();
  rank.run(micro, tasks, 1);
  const ran = dry.seconds();
  rank.update(none);
  const stepSeconds =
    generated - before + more + ((ran - generated) * p.accumulation) / accumulation + dry.seconds() - ran;
  return { peakBytes: dry.peak(), restBytes, stepSeconds, fits: dry.peak() <= machine.heapBytes };
}
