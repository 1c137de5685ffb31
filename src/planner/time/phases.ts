/**
 * Seconds of what an objective does beside its update: forwards of teachers and references, and rollouts, whose prefill is
 * a forward and whose every further token reads all weights and the key/value caches.
 */
import { rolloutOf } from "../memory/rollout.js";
import { elementsOf } from "../memory/states.js";
import { allReduceSeconds, gatherSeconds, groupOf } from "./collectives.js";
import { gatherGroup, gatherTraffic, underGather } from "./gather.js";
import { gemmSeconds } from "./gemm.js";
import { answerTokens, type Job, type JobPhase, numbersOf, plainRollout, promptTokens } from "./job.js";
import { layerTime } from "./layer.js";
import type { LayerShape } from "./shape.js";

/** Assumed: a regular expression or a comparison of answers in Python, for one answer. A user's command takes what it takes. */
const rewardSeconds = 1e-4;

export function phaseSeconds(job: Job, one: JobPhase): number {
  const { layout } = job;
  const sequences = one.share * layout.microBatch * layout.accumulation;
  switch (one.phase.kind) {
    case "forward":
      return forwardSeconds(job, one);
    case "prefill":
      return prefillSeconds(job, one, sequences);
    case "decode": {
      const { waves } = rolloutOf(job, one);
      // Never below all at once: bounds count on it.
      return Math.max(decodeSeconds(job, one, sequences), waves * decodeSeconds(job, one, sequences / waves));
    }
    case "reward":
      return sequences * rewardSeconds;
    case "train":
      return 0;
  }
}

/** For people, by their ids in the objective's graph. */
export const phaseNames: Readonly<Record<string, string>> = {
  "rollout.prefill": "rollouts: prompts",
  "rollout.decode": "rollouts: decoding",
  reward: "rewards",
  old_log_probs: "log-probabilities of samples",
  reference: "reference forward",
  teacher: "teacher forward",
  update: "update",
};

export const passSeconds = (job: Job): number => job.phases.reduce((sum, one) => sum + phaseSeconds(job, one), 0);

/** A frozen model's forward over every trained micro-batch; sharded weights are gathered layer by layer. */
function forwardSeconds(job: Job, { shape, share, cache }: JobPhase): number {
  const { rates, layout } = job;
  const group = gatherGroup(job);
  let seconds = 0;
  let first = 0;
  for (const kind of shape.stack) {
    const { time, memory } = numbersOf(rates, shape, layout, kind, cache);
    const work = time.forward + time.forwardComm;
    if (group === undefined) seconds += work;
    else {
      const { forward } = gatherTraffic(job, memory, group);
      seconds += underGather(rates, work, forward);
      first = Math.max(first, forward.seconds);
    }
  }
  return ((seconds + first) * share * layout.accumulation) / layout.pipeline;
}

/** Prompts of all answers (a group shares its prompt's text, not its pass), and the weights that they are answered with. */
function prefillSeconds(job: Job, { shape }: JobPhase, sequences: number): number {
  const { rates, layout } = job;
  const at = (length: number) => ({ ...layout, context: 1, microBatch: sequences, length });
  const known = new Map<string, number>();
  let seconds = 0;
  for (const kind of shape.stack) {
    const s = shape.kinds[kind]!;
    let one = known.get(kind);
    if (one === undefined) {
      // Only the last token of a prompt is sampled from.
      const time = layerTime(rates, s, at(s.role === "head" ? 1 : promptTokens(job)));
      one = time.forward + time.forwardComm;
      known.set(kind, one);
    }
    seconds += one;
  }
  const group = gatherGroup(job);
  const gathered =
    group === undefined ? 0 : gatherSeconds(rates, (2 * elementsOf(shape)) / layout.tensor / layout.pipeline, group);
  return (seconds + gathered) / layout.pipeline;
}

/** All answers of a portion, token by token. */
export function decodeSeconds(job: Job, { shape }: JobPhase, sequences: number): number {
  const { rates, layout } = job;
  const rollout = job.rollout ?? plainRollout;
  const answer = answerTokens(job);
  const known = new Map<string, number>();
  let token = 0;
  for (const kind of shape.stack) {
    let one = known.get(kind);
    if (one === undefined) {
      const s = shape.kinds[kind]!;
      const kernels = productsSeconds(job, s, sequences) + cacheReadSeconds(job, s, sequences) / answer;
      const floor = s.role === "block" ? rollout.layerSeconds : 0;
      const sum = 2 * sequences * s.hidden;
      const comm =
        layout.tensor > 1
          ? (s.role === "block" ? 2 : 1) * allReduceSeconds(rates, sum, groupOf(rates, layout.tensor, 1))
          : 0;
      one = Math.max(kernels, floor) + comm;
      known.set(kind, one);
    }
    token += one;
  }
  return rates.factor * answer * token;
}

/** Matrix products of one token of each sequence: their weights are read once for all. */
function productsSeconds({ rates, layout }: Job, s: LayerShape, sequences: number): number {
  const t = layout.tensor;
  let seconds = 0;
  for (const g of s.gemms) {
    const split = g.split === "none" ? 1 : t;
    const inputs = g.split === "in" ? g.inputs / split : g.inputs;
    const outputs = g.split === "out" ? g.outputs / split : g.outputs;
    let copies = 1;
    let rows = sequences;
    if (g.copies > 1 && s.moe !== undefined) {
      // Experts that any of the tokens chose.
      copies = g.copies * (1 - (1 - s.moe.topK / g.copies) ** sequences);
      rows = (sequences * s.moe.topK) / copies;
    }
    seconds += gemmSeconds(rates, rows, outputs, inputs, copies, false);
    if (s.stored !== undefined && !g.trainable && s.stored < 2)
      seconds += (2.6 * inputs * outputs * copies) / rates.memory;
  }
  // Logits in 16 bits, in fp32, scaled, as probabilities.
  if (s.role === "head") seconds += (14 * sequences * s.vocab) / t / rates.memory;
  return seconds;
}

/** Reading caches over a whole answer. */
function cacheReadSeconds(job: Job, s: LayerShape, sequences: number): number {
  if (s.cached === undefined) return 0;
  const { rates, layout } = job;
  const form = (job.rollout ?? plainRollout).cache;
  const first = promptTokens(job);
  const { window } = s.cached;
  const upTo = (n: number): number => {
    const full = window > 0 ? Math.min(n, window) : n;
    return (full * (full + 1)) / 2 + (n - full) * full;
  };
  const positions = upTo(layout.length) - upTo(first);
  return (2 * s.cached[form] * sequences * positions) / layout.tensor / rates.memory;
}
