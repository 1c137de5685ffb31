/** The program of a worker thread: one rank of one job after another, asked step by step by the main thread. */
import { parentPort, workerData } from "node:worker_threads";
import {
  freeState,
  type ModelState,
  makeState,
  type NamedWeight,
  numericsOf,
  objectivePrograms,
  type Part,
  Rank,
  type RankLinks,
  type Section,
} from "../../program/index.js";
import { type Backend, type Handle, startBackend } from "../backend/index.js";
import { Channel, coordinatesOf, type Links, makeMesh } from "../collectives/index.js";
import { RunFailure } from "../failure.js";
import { type Asked, answersOf } from "../train/generate.js";
import { initialValues } from "../train/initial.js";
import type { Ask, Placement, Reply, StatePart, TeamJob } from "./job.js";

const { links, data } = workerData as { readonly links: Links; readonly data: string };
const port = parentPort!;
const channel = new Channel(links);
const reply = (message: Reply, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer);

interface Open {
  readonly job: TeamJob;
  readonly rank: Rank<Handle>;
  /** One rank of each stage tells its weights, of the experts one of those that have them; a tied one is the first stage's. */
  readonly tells: (part: Part) => boolean;
}

function open(job: TeamJob, { algebra }: Backend): Open {
  const mesh = makeMesh(channel, job.parallel);
  const between: RankLinks = {
    ...mesh,
    send: (stage, tag, x) => channel.send(mesh.stageRank(stage), tag, x),
    receive: (stage, tag) => channel.receive(mesh.stageRank(stage), tag) as Float32Array,
  };
  const at = coordinatesOf(links.rank, job.parallel);
  const load = (section: Section, weight: NamedWeight): Float32Array | undefined =>
    job.tensors.get(`${section}/${weight.name}`) ??
    (section === "weight" ? initialValues(weight, job.seed) : undefined);
  const { beside } = job;
  const rank = new Rank(algebra, {
    graph: job.graph,
    layout: { parallel: job.parallel, chunks: job.chunks, at },
    links: between,
    recompute: job.recompute,
    optimizer: job.optimizer,
    numerics: numerics(job),
    objective: objectivePrograms[job.objective.kind]!,
    options: job.objective.options,
    beside:
      beside === undefined
        ? undefined
        : {
            ...beside,
            load: (section, weight) =>
              section !== "weight"
                ? undefined
                : (beside.tensors.get(`weight/${weight.name}`) ?? initialValues(weight, job.seed)),
          },
    positions: job.contextLength,
    load,
  });
  const tells = (part: Part): boolean => {
    const replicas = part.expert ? between.expertReplicas : between.replicas;
    return at.tensor === 0 && replicas.index === 0 && (!part.tied || between.pipelineEnds.index === 0);
  };
  return { job, rank, tells };
}

const numerics = ({ compute, recipe }: TeamJob) => numericsOf(compute, recipe ?? "") ?? { round: undefined };

/** With the rank's own weights, or (it has a part of them) with whole ones that are put here for as long as it takes. */
function generate(
  backend: Backend,
  { job, rank }: Open,
  asked: Asked,
  weights: ReadonlyMap<string, Float32Array> | undefined,
): number[][] {
  if (weights === undefined) return answersOf(backend, rank.whole()!, asked);
  const { algebra } = backend;
  const policy: ModelState<Handle> = {
    ...makeState(algebra, job.graph, job.contextLength, (w) => weights.get(`weight/${w.name}`)!, false),
    ...numerics(job),
  };
  if (policy.round !== undefined)
    for (const { name } of rank.weights.parts.filter((p) => p.trained))
      algebra.round(policy.weights.get(name)!, policy.round);
  const answers = answersOf(backend, policy, asked);
  freeState(algebra, policy);
  return answers;
}

function placements({ rank }: Open): readonly Placement[] {
  return rank.weights.parts.map((part) => ({
    name: part.name,
    pattern: part.full.spec.name,
    tensor: part.split,
    shards: rank.weights.whole.has(part.name) ? 1 : part.rows.length - 1,
  }));
}

function stateParts({ rank, tells }: Open, sections: readonly Section[]): readonly StatePart[] {
  const parts: StatePart[] = [];
  for (const { section, part, values } of rank.weights.all(sections))
    if (tells(part)) parts.push({ section, name: part.name, shape: shapeOf(part, values), values: values.slice() });
  return parts;
}

/** Of a weight, or of an optimizer's state that is smaller (Adafactor's). */
function shapeOf({ full: { spec } }: Part, values: Float32Array): readonly number[] {
  return values.length === spec.shape.reduce((a, b) => a * b, 1) ? spec.shape : [values.length];
}

async function main(): Promise<void> {
  const backend = await startBackend(data);
  const { meter } = backend;
  let job: Open | undefined;
  const answer = (ask: Ask): void => {
    switch (ask.kind) {
      case "open":
        job = open(ask.job, backend);
        reply({ kind: "open", placements: placements(job), whole: job.rank.whole() !== undefined });
        break;
      case "run": {
        meter.reset();
        const objective = ask.objective === undefined ? undefined : objectivePrograms[ask.objective];
        const results = job!.rank.run(ask.micro, ask.tasks, ask.scale, objective);
        reply({ kind: "run", results, peak: meter.peak });
        break;
      }
      case "generate": {
        meter.reset();
        const answers = generate(backend, job!, ask.asked, ask.weights);
        reply({ kind: "generate", answers, peak: meter.peak });
        break;
      }
      case "update": {
        const norm = job!.rank.update(ask.update);
        reply({ kind: "update", norm, peak: meter.peak, sentBytes: channel.sentBytes });
        break;
      }
      case "state": {
        const parts = stateParts(job!, ask.sections);
        const buffers = parts.map((p) => p.values.buffer as ArrayBuffer);
        reply({ kind: "state", parts }, buffers);
        break;
      }
      case "close":
        job!.rank.free();
        job = undefined;
        reply({ kind: "close" });
        break;
      case "end":
        port.close();
    }
  };
  port.on("message", (ask: Ask) => {
    try {
      answer(ask);
    } catch (error) {
      failed(error);
    }
  });
  reply({ kind: "ready" });
}

/** A diagnostic does not survive as an error of the thread: it goes ahead as a message. */
function failed(error: unknown): void {
  if (!(error instanceof RunFailure)) throw error;
  reply({ kind: "failed", diagnostic: error.diagnostic });
  port.close();
}

main().catch(failed);
