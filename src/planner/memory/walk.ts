/**
 * A step of one rank, moment by moment: the timeline of its memory, and the layer and module at which the backward holds
 * most. Sums are those of `rankMoments`; the walk says when and where.
 */
import type { MemoryItem, MemoryPlan, PeakPlace } from "../plan.js";
import { isSharded } from "../time/gather.js";
import { type Job, layerNumbers, type Part } from "../time/job.js";
import type { RankTime, StepTime } from "../time/step.js";
import { inFlight, keptBytes, type MomentParts, type RankMemory } from "./rank.js";

/** A layer of the rank: its place in the stack, embedding counted, and how it is treated. */
export interface PlacedLayer {
  readonly index: number;
  readonly part: Part;
}

const names: readonly (readonly [keyof MomentParts, string])[] = [
  ["weights", "weights"],
  ["gradients", "gradients"],
  ["optimizer", "optimizer state and master weights"],
  ["activations", "saved activations"],
  ["loss", "logits and loss"],
  ["buffers", "gathered layers and communication buffers"],
  ["cached", "weight-gradient buffers of Transformer Engine"],
  ["temporary", "temporaries"],
  ["others", "frozen models"],
  ["caches", "key/value caches"],
];

export const itemsOf = (m: Partial<MomentParts>): MemoryItem[] =>
  names.flatMap(([key, what]) => (Number(m[key] ?? 0) > 0 ? [{ what, bytes: Math.round(Number(m[key])) }] : []));

type Module = NonNullable<PeakPlace["module"]>;

interface BackwardMoment {
  readonly layer: PlacedLayer;
  readonly module: Module;
  /** Activations that are still held, and what the module's backward takes besides. */
  readonly activations: number;
  readonly temporary: number;
}

/** The backward of one micro-batch, from the rank's last layer to its first, while all in flight are held. */
function backwardWalk(job: Job, layers: readonly PlacedLayer[], held: number): BackwardMoment[] {
  const out: BackwardMoment[] = [];
  let activations = held;
  for (const layer of [...layers].reverse()) {
    const { role, moe } = job.shape.kinds[layer.part.kind]!;
    const { memory } = layerNumbers(job, layer.part.kind);
    const kept = keptBytes(job, layer.part);
    const again = Math.max(0, memory.saved - kept);
    if (role !== "block") out.push({ layer, module: role, activations, temporary: again + memory.backwardTemporary });
    else {
      const feed = moe === undefined ? "MLP" : "experts";
      out.push({ layer, module: feed, activations, temporary: again + memory.mlpTemporary });
      // What the MLP saved is free by then, whether it was kept or brought back.
      const freed = Math.min(memory.mlpSaved, kept + again);
      out.push({
        layer,
        module: "attention",
        activations: activations - Math.min(kept, freed),
        temporary: Math.max(0, again - Math.max(0, freed - kept)) + memory.attentionTemporary,
      });
    }
    activations -= kept;
  }
  return out;
}

const largest = (all: readonly BackwardMoment[]): BackwardMoment =>
  all.reduce((a, b) => (b.activations + b.temporary > a.activations + a.temporary ? b : a));

/** The first micro-batch in whose backward everything is there that makes the peak. */
function microBatchOf(job: Job, rank: number): number {
  const flight = Math.max(1, Math.ceil(inFlight(job, rank)));
  return !isSharded(job) || job.layout.accumulation <= flight ? 1 : 2;
}

export function placeOf(job: Job, rank: number, m: RankMemory, layers: readonly PlacedLayer[]): PeakPlace {
  const base = { stage: rank, phase: m.phase, moment: m.moment };
  if (m.moment === "optimizer" || m.moment === "phase") return base;
  const micro_batch = microBatchOf(job, rank);
  if (m.moment === "loss") return { ...base, micro_batch, module: "head" };
  const { layer, module } = largest(backwardWalk(job, layers, m.activations));
  // Weights' names count decoder layers from 0; the stack has the embedding before them.
  const number = module === "head" || module === "embedding" ? {} : { layer: layer.index - 1 };
  return { ...base, micro_batch, ...number, module };
}

const phaseWords: Readonly<Record<string, string>> = {
  "rollout.prefill": "rollout, reading the prompts",
  "rollout.decode": "rollout, the last tokens of the answers, with full key/value caches",
  reference: "forward of the reference",
  teacher: "forward of the teacher",
  old_log_probs: "log-probabilities of the samples",
};

export function placeText(job: Job, place: PeakPlace, layers: readonly PlacedLayer[]): string {
  const stage = job.layout.pipeline > 1 ? `stage ${place.stage}, ` : "";
  const batch = job.layout.accumulation > 1 ? `micro-batch ${place.micro_batch}` : "the micro-batch";
  switch (place.moment) {
    case "optimizer":
      return `${stage}optimizer step`;
    case "phase":
      return `${stage}${phaseWords[place.phase] ?? place.phase}`;
    case "loss":
      return `${stage}loss of ${batch}, the head's logits and their gradients`;
    case "backward": {
      const again = layers.find((l) => l.index - 1 === place.layer)?.part.mode ?? "none";
      const where = place.layer === undefined ? `the ${place.module}` : `layer ${place.layer}'s ${place.module}`;
      return `${stage}backward of ${batch}, ${where}${again === "none" ? "" : ", recomputed"}`;
    }
  }
}

/** Evenly spaced, ends included. */
function some<T>(all: readonly T[], most: number): T[] {
  if (all.length <= most) return [...all];
  return Array.from({ length: most }, (_, i) => all[Math.round((i * (all.length - 1)) / (most - 1))]!);
}

const spaced = 6;

interface Timed {
  readonly memory: RankMemory;
  readonly moments: readonly RankMemory[];
  readonly place: PeakPlace;
  readonly text: string;
  /** Seconds of each phase before the update. */
  readonly phases: ReadonlyMap<string, number>;
}

/** Phases before the update, forwards that fill, the loss, the backward layer by layer, the update. */
export function timelineOf(
  job: Job,
  t: StepTime,
  rank: number,
  layers: readonly PlacedLayer[],
  { memory, moments, place, text, phases }: Timed,
): MemoryPlan["timeline"] {
  const time: RankTime = t.ranks[rank]!;
  const points: MemoryPlan["timeline"][number][] = [];
  const add = (seconds: number, label: string, parts: Partial<MomentParts>): void => {
    const items = itemsOf(parts);
    points.push({ seconds, label, bytes: items.reduce((sum, i) => sum + i.bytes, 0), items });
  };
  const update = moments.find((m) => m.moment === "backward")!;
  const { weights, optimizer, cached, others } = update;
  const always = { weights, optimizer, cached, others };
  const atLoss = moments.find((m) => m.moment === "loss")!;
  const first = place.micro_batch ?? microBatchOf(job, rank);
  add(0, "step starts", always);
  let now = 0;
  for (const m of moments) {
    if (m.moment !== "phase" || job.phases.find((p) => p.phase.id === m.phase)?.phase.beside === true) continue;
    now += phases.get(m.phase) ?? 0;
    add(now, m === memory ? `peak: ${text}` : (phaseWords[m.phase] ?? m.phase), m);
  }
  const flight = Math.max(1, Math.ceil(inFlight(job, rank)));
  const gradients = first > 1 ? atLoss.gradients : 0;
  const steps = flight > 1 ? Array.from({ length: flight }, (_, i) => i + 1) : [0.25, 0.5, 0.75, 1];
  for (const n of some(steps, 8)) {
    const label = flight > 1 ? `${n} micro-batch${n > 1 ? "es" : ""} in flight` : `forward, ${Math.round(100 * n)}%`;
    add(now + time.forward * n, label, { ...always, gradients, activations: (update.activations * n) / flight });
  }
  now += time.forward * flight;
  if (atLoss.loss > 0) add(now, atLoss === memory ? `peak: ${text}` : "loss", atLoss);
  const walk = backwardWalk(job, layers, update.activations);
  const top = largest(walk);
  const shown = new Set([...some(walk, spaced), top]);
  for (const [i, one] of walk.entries()) {
    if (!shown.has(one)) continue;
    const seconds = now + (time.backward * (i + 1)) / (walk.length + 1);
    if (one === top) add(seconds, memory === update ? `peak: ${text}` : "backward, its fullest moment", update);
    else {
      const where = one.layer.part.kind === one.module ? one.module : `layer ${one.layer.index - 1}'s ${one.module}`;
      add(seconds, `backward, ${where}`, { ...update, activations: one.activations, temporary: one.temporary });
    }
  }
  const rest = Math.max(0, job.layout.accumulation - flight) * (time.forward + time.backward);
  now += time.backward * Math.min(flight, job.layout.accumulation) + rest;
  const atUpdate = moments.find((m) => m.moment === "optimizer")!;
  const end = t.seconds;
  add(Math.min(now, end), atUpdate === memory ? `peak: ${text}` : "optimizer step", atUpdate);
  add(end, "weights updated", always);
  return points;
}
