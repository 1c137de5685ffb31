/** The memory of a plan: each rank's peak by name, and the worst rank over a step. */
import type { MemoryItem, MemoryPlan } from "../plan.js";
import { type Job, layerNumbers } from "../time/job.js";
import { stepTime } from "../time/step.js";
import { inFlight, type RankMemory, rankMemory } from "./rank.js";

const names: readonly (readonly [keyof RankMemory, string])[] = [
  ["weights", "weights"],
  ["gradients", "gradients"],
  ["optimizer", "optimizer state and master weights"],
  ["activations", "saved activations"],
  ["loss", "logits and loss"],
  ["buffers", "gathered layers and communication buffers"],
  ["cached", "weight-gradient buffers of Transformer Engine"],
  ["temporary", "temporaries"],
  ["others", "frozen models and caches"],
];

const itemsOf = (m: RankMemory): MemoryItem[] =>
  names.flatMap(([key, what]) => (Number(m[key]) > 0 ? [{ what, bytes: Math.round(Number(m[key])) }] : []));

/** Communication libraries keep buffers for each group that a rank is in. */
export const libraryBytes = (job: Job): number => {
  const { tensor, pipeline, data, context, expert } = job.layout;
  const groups = [tensor, pipeline, data * context, context, expert].filter((n) => n > 1).length;
  return groups * 0.25 * 1024 ** 3;
};

export interface Peak {
  readonly bytes: number;
  readonly rank: number;
  readonly memory: RankMemory;
  readonly ranks: readonly RankMemory[];
}

export function peakOf(job: Job): Peak {
  const ranks = job.ranks.map((_, rank) => rankMemory(job, rank));
  let rank = 0;
  for (const [r, m] of ranks.entries()) if (m.peak > ranks[rank]!.peak) rank = r;
  const memory = ranks[rank]!;
  return { bytes: memory.peak, rank, memory, ranks };
}

/** What the allocator reserves for an allocated peak, and what the driver then shows. */
export const reservedBytes = (job: Job, allocated: number): number =>
  Math.min(
    allocated * job.rates.stack.allocatorSlack,
    Math.max(allocated * 1.005, job.rates.machine.memoryBytes - contextBytes(job)),
  );
export const contextBytes = (job: Job): number => job.rates.stack.contextBytes + libraryBytes(job);

/** A plan must fit with the allocator's slack in hand; `margin` loosens that where a prediction is only a guess. */
export const fitsDevice = (job: Job, allocated: number, margin = 0): boolean =>
  allocated * (1.01 - margin) + contextBytes(job) <= job.rates.machine.memoryBytes;

/** The largest allocated peak that fits. */
export const roomBytes = (job: Job): number => (job.rates.machine.memoryBytes - contextBytes(job)) / 1.01;

function placeOf(job: Job, { rank, memory }: Peak): string {
  const stage = job.layout.pipeline > 1 ? `stage ${rank}, ` : "";
  const flight = inFlight(job, rank);
  const batch = job.layout.accumulation > 1 ? `micro-batch ${Math.max(1, Math.ceil(flight))}` : "the micro-batch";
  const layer = job.ranks[rank]!.parts.filter((p) => job.shape.kinds[p.kind]!.role === "block");
  switch (memory.moment) {
    case "loss":
      return `${stage}the loss of ${batch}: logits and their gradients beside all saved activations`;
    case "backward":
      return `${stage}backward of ${batch}, its last ${layer.at(-1)?.kind ?? "layer"} layer${layer.some((p) => p.mode !== "none") ? ", recomputed" : ""}`;
    case "optimizer":
      return `${stage}optimizer step`;
    case "generation":
      return `${stage}generation, with full key/value caches`;
  }
}

export function memoryPlan(job: Job): MemoryPlan {
  const peak = peakOf(job);
  const t = stepTime(job);
  const reserved = reservedBytes(job, peak.bytes);
  const parameters =
    job.shape.stack.reduce((sum, kind) => {
      const { memory } = layerNumbers(job, kind);
      return sum + memory.trainable;
    }, 0) * job.layout.tensor;
  const { numeric, rates } = job;
  const offloaded = job.offload === "optimizer" || job.offload === "both";
  const perDevice = offloaded ? (parameters * numeric.optimizer) / job.devices : 0;
  const saved = job.offload === "activations" || job.offload === "both" ? peak.memory.activations : 0;
  return {
    peak_bytes: peak.bytes,
    reserved_bytes: reserved,
    driver_bytes: reserved + contextBytes(job),
    capacity_bytes: rates.machine.memoryBytes,
    fits: fitsDevice(job, peak.bytes),
    host_bytes: Math.round((perDevice + saved + 6 * 1024 ** 3) * rates.machine.perNode),
    // Weights in bf16 and the whole optimizer state, for one checkpoint.
    disk_bytes: Math.round(parameters * (2 + numeric.optimizer)),
    peak_at: placeOf(job, peak),
    breakdown: itemsOf(peak.memory),
    ranks: peak.ranks.map((m, rank) => ({
      rank,
      peak_bytes: m.peak,
      breakdown: itemsOf(m),
      ...(peak.ranks.length > 1
        ? { timeline: timelineOf(job, t, rank, m).map(({ seconds, bytes }) => ({ seconds, bytes: Math.round(bytes) })) }
        : {}),
    })),
    timeline: timelineOf(job, t, peak.rank, peak.memory),
  };
}

/** Start, growing forwards, loss, backward, update. */
function timelineOf(job: Job, t: ReturnType<typeof stepTime>, at: number, m: RankMemory): MemoryPlan["timeline"] {
  const rank = t.ranks[at]!;
  const one = rank.forward + rank.backward;
  const fixed = m.weights + m.optimizer + m.cached + m.others;
  const point = (seconds: number, label: string, parts: readonly (readonly [string, number])[]) => ({
    seconds,
    label,
    bytes: parts.reduce((sum, [, b]) => sum + b, 0),
    items: parts.filter(([, b]) => b > 0).map(([what, bytes]) => ({ what, bytes: Math.round(bytes) })),
  });
  const base: readonly (readonly [string, number])[] = [
    ["weights", m.weights],
    ["optimizer state and master weights", m.optimizer],
    ["buffers and frozen models", fixed - m.weights - m.optimizer],
  ];
  const flight = Math.max(1, Math.ceil(inFlight(job, at)));
  const points = [point(0, "step starts", base)];
  const held = m.moment === "optimizer" || m.moment === "generation" ? 0 : m.activations;
  for (let i = 1; i <= Math.min(flight, 8); i++) {
    const share = i / Math.min(flight, 8);
    points.push(
      point(
        (rank.forward * share * flight) / 1,
        `${Math.ceil(share * flight)} micro-batch${share * flight > 1 ? "es" : ""} in flight`,
        [
          ...base,
          ["gradients", flight > 1 || job.layout.accumulation > 1 ? m.gradients : 0],
          ["saved activations", held * share],
        ],
      ),
    );
  }
  const after = rank.forward * flight;
  points.push(
    point(after + rank.backward * 0.05, `peak: ${m.moment}`, [
      ...base,
      ["gradients", m.gradients],
      ["saved activations", m.activations],
      ["logits and loss", m.loss],
      ["gathered layers and communication buffers", m.buffers],
      ["temporaries", m.temporary],
    ]),
    point(after + one * Math.max(1, job.layout.accumulation - flight), "last backward ends", [
      ...base,
      ["gradients", m.gradients],
    ]),
    point(t.seconds, "weights updated", base),
  );
  return points;
}
