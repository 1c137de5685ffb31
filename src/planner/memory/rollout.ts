/** Generation on one rank: in how many portions the answers of a step are made, and what each takes. */
import { isSharded } from "../time/gather.js";
import { type Job, type JobPhase, plainRollout, promptTokens } from "../time/job.js";
import { roomBytes } from "./device.js";
import { layerMemory } from "./layer.js";
import { betweenSteps, elementsOf } from "./states.js";

export interface Rollout {
  /** Portions that a step's answers are made in. */
  readonly waves: number;
  readonly sequences: number;
  /** Weights that the training state does not hold as generation wants them. */
  readonly weights: number;
  /** Key/value caches when the longest answers end, and when prompts have been read. */
  readonly cache: number;
  readonly prefilled: number;
  /** Of reading the prompts, and of drawing a token. */
  readonly temporary: number;
  readonly sampling: number;
}

const known = new WeakMap<Job, Rollout>();

/** The fewest portions that fit the device. Without ranks placed (bounds): all at once. */
export function rolloutOf(job: Job, one: JobPhase): Rollout {
  const found = known.get(job);
  if (found !== undefined) return found;
  const made = portions(job, one);
  known.set(job, made);
  return made;
}

function portions(job: Job, one: JobPhase): Rollout {
  const { layout } = job;
  const all = one.share * layout.microBatch * layout.accumulation;
  const none = { weights: 0, cache: 0, prefilled: 0, temporary: 0, sampling: 0 };
  if (job.ranks.length === 0) return { waves: 1, sequences: all, ...none };
  const traits = job.rollout ?? plainRollout;
  const held = job.ranks.reduce((most, _, rank) => Math.max(most, betweenSteps(job, rank)), 0);
  const copied = traits.kind === "server" || isSharded(job);
  const weights = copied ? weightBytes(one, job) : 0;
  if (traits.kind === "server") {
    // Its caches are a pool: answers wait until there is room.
    const pool = Math.max(0, (traits.memoryShare ?? 0.9) * job.rates.machine.memoryBytes - weights);
    const wanted = all * cacheBytesOf(job, one, layout.length);
    const waves = pool === 0 ? all : Math.min(all, Math.max(1, Math.ceil(wanted / pool)));
    const sequences = Math.ceil(all / waves);
    const cache = Math.max(pool, wanted / waves);
    const together = Math.min(sequences, (traits.prefillTokens ?? Number.POSITIVE_INFINITY) / promptTokens(job));
    return {
      waves,
      sequences,
      weights,
      cache,
      prefilled: cache,
      temporary: prefillBytes(job, one, together),
      sampling: samplingBytes(job, one, sequences),
    };
  }
  const room = roomBytes(job) - held - weights;
  let last: Rollout | undefined;
  for (let waves = 1; waves <= layout.accumulation; waves++) {
    if (layout.accumulation % waves !== 0) continue;
    const sequences = all / waves;
    // A portion has whole groups of answers over all ranks.
    if ((sequences * layout.data) % one.phase.sequences !== 0) continue;
    last = {
      waves,
      sequences,
      weights,
      cache: sequences * cacheBytesOf(job, one, layout.length),
      prefilled: sequences * cacheBytesOf(job, one, promptTokens(job)),
      temporary: prefillBytes(job, one, sequences),
      sampling: samplingBytes(job, one, sequences),
    };
    if (Math.max(last.cache + last.sampling, last.prefilled + last.temporary) <= room) break;
  }
  return last!;
}

const weightBytes = ({ shape }: JobPhase, { layout }: Job): number =>
  (2 * elementsOf(shape)) / layout.tensor / layout.pipeline;

/** Keys and values of one sequence of so many tokens, on one rank. */
function cacheBytesOf(job: Job, { shape }: JobPhase, length: number): number {
  const { layout } = job;
  const form = (job.rollout ?? plainRollout).cache;
  let bytes = 0;
  for (const kind of shape.stack) {
    const c = shape.kinds[kind]!.cached;
    if (c !== undefined) bytes += 2 * c[form] * (c.window > 0 ? Math.min(c.window, length) : length);
  }
  return bytes / layout.tensor / layout.pipeline;
}

/** The widest layer over the prompts. */
function prefillBytes(job: Job, { shape }: JobPhase, sequences: number): number {
  const { layout, rates } = job;
  const d = { ...layout, context: 1, microBatch: sequences, length: promptTokens(job) };
  let most = 0;
  for (const kind of new Set(shape.stack)) {
    const m = layerMemory(shape.kinds[kind]!, d, rates.stack, false, rates.wide);
    most = Math.max(most, m.forwardTemporary + 2 * m.input);
  }
  return most;
}

/** Logits of one token of each: in 16 bits, in fp32, scaled, as probabilities. */
const samplingBytes = ({ layout }: Job, { shape }: JobPhase, sequences: number): number =>
  (14 * sequences * shape.kinds[shape.stack.at(-1)!]!.vocab) / layout.tensor;
