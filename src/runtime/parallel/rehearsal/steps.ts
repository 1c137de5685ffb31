/** A few steps of the shrunk model: by the plain program in this thread, and by workers. */
import type { ModelGraph } from "../../../model/graph.js";
import {
  applyUpdate,
  freeState,
  groupAdvantages,
  makeOptimizer,
  makeState,
  noiseOf,
  numberOf,
  type ObjectiveBatch,
  type ObjectiveOptions,
  type OptimizerKind,
  objectivePrograms,
  otherState,
  runMicro,
  storedWeights,
  type Update,
  weightValues,
} from "../../../program/index.js";
import { startBackend } from "../../backend/index.js";
import { slice } from "../../train/executor.js";
import { type Asked, answersOf } from "../../train/generate.js";
import { generator, initialValues } from "../../train/initial.js";
import type { TeamJob } from "../job.js";
import { type Pool, Team } from "../team.js";

export interface Course {
  readonly losses: readonly number[];
  readonly weights: ReadonlyMap<string, Float32Array>;
}

export interface Lesson {
  readonly graph: ModelGraph;
  readonly optimizer: OptimizerKind;
  readonly objective: { readonly kind: string; readonly options: ObjectiveOptions };
  /** Reference or teacher. */
  readonly beside?: { readonly graph: ModelGraph; readonly shares: boolean };
  readonly sequences: number;
  /** Of the plain program too: room and balance of experts are a micro-batch's. */
  readonly microBatch: number;
  readonly length: number;
  readonly steps: number;
  /** Several documents a row, which do not see each other. */
  readonly packed: boolean;
  readonly seed: number;
}

interface Learner {
  generate(asked: Asked): Promise<readonly (readonly number[])[]>;
  /** Summed loss, and log-probabilities where the objective looks at them. */
  run(batch: ObjectiveBatch, scale: number): Promise<{ readonly loss: number; readonly logProbs?: Float32Array }>;
  update(update: Update): Promise<unknown>;
}

const rowsOf = ({ sequences, objective }: Lesson): number =>
  sequences * objectivePrograms[objective.kind]!.rows(objective.options);

/** Random text: some of it padding, some of it in several documents. */
export function batchAt(lesson: Lesson, step: number): ObjectiveBatch {
  const { graph, length, packed, seed } = lesson;
  const random = generator(seed + 1000 * step);
  const sequences = rowsOf(lesson);
  const count = sequences * length;
  const tokens = Int32Array.from({ length: count + 1 }, () => Math.floor(random() * graph.vocab));
  const document = Math.ceil(length / 3);
  return {
    sequences,
    length,
    tokens: tokens.subarray(0, count),
    targets: tokens.slice(1),
    weights: Float32Array.from({ length: count }, () => (random() < 0.1 ? 0 : 1)),
    ...(objectivePrograms[lesson.objective.kind]?.dropout === true ? { noise: noiseOf(seed, step, count) } : {}),
    ...(packed
      ? {
          segments: Int32Array.from({ length: count }, (_, i) => Math.floor((i % length) / document)),
          positions: Int32Array.from({ length: count }, (_, i) => (i % length) % document),
        }
      : {}),
  };
}

/** Answers to random prompts of several lengths; those with more even tokens are better. */
async function sampled(lesson: Lesson, learner: Learner, step: number): Promise<ObjectiveBatch> {
  const { graph, length, objective, seed } = lesson;
  const random = generator(seed + 1000 * step);
  const group = objectivePrograms[objective.kind]!.rows(objective.options);
  const prompts = Array.from({ length: lesson.sequences }, (_, i) =>
    Int32Array.from({ length: 2 + (i % 2) }, () => Math.floor(random() * graph.vocab)),
  );
  const rows = prompts.flatMap((prompt, i) =>
    Array.from({ length: group }, (_, g) => ({ seed: seed + 7919 * (step * 4096 + i * group + g), prompt })),
  );
  const temperature = numberOf(objective.options, "temperature", 1);
  const room = length + 1;
  const asked: Asked = { rows, room, longest: length / 2, temperature, end: 0, together: 2 * group };
  const answers = await learner.generate(asked);
  const tokens = new Int32Array(rows.length * length);
  const targets = new Int32Array(rows.length * length);
  const weights = new Float32Array(rows.length * length);
  rows.forEach(({ prompt }, r) => {
    const all = [...prompt, ...answers[r]!];
    all.slice(0, length).forEach((token, i) => {
      tokens[r * length + i] = token;
      targets[r * length + i] = all[i + 1] ?? 0;
      weights[r * length + i] = i + 1 >= prompt.length && i + 1 < all.length ? 1 : 0;
    });
  });
  const rewards = answers.map((said) => said.filter((t) => t % 2 === 0).length / said.length);
  const advantages = groupAdvantages(rewards, group, true);
  return { sequences: rows.length, length, tokens, targets, weights, advantages };
}

/** AdamW makes a whole step of the rounding noise in a vanishing gradient (a key bias has one): its eps is above that noise. */
const rate = 1e-2;
const updateAt = (t: number, optimizer: OptimizerKind): Update => ({
  // Lion's steps have one size, whatever the gradient is.
  lr: optimizer === "lion" ? rate / 10 : rate,
  beta1: 0.9,
  beta2: 0.95,
  eps: 1e-3,
  weightDecay: 0.1,
  clip: 1,
  t,
  lossScale: 1,
});

async function teach(lesson: Lesson, learner: Learner): Promise<readonly number[]> {
  const { objective, optimizer } = lesson;
  const program = objectivePrograms[objective.kind]!;
  const updates = numberOf(objective.options, "updates", 1);
  const losses: number[] = [];
  let t = 0;
  for (let step = 0; step < lesson.steps; step++) {
    const batch = program.samples === true ? await sampled(lesson, learner, step) : batchAt(lesson, step);
    const total = program.total(batch);
    let oldLogProbs: Float32Array | undefined;
    for (let update = 0; update < updates; update++) {
      const seen = oldLogProbs === undefined ? batch : { ...batch, oldLogProbs };
      const { loss, logProbs } = await learner.run(seen, 1 / total);
      losses.push(loss / total);
      oldLogProbs ??= logProbs;
      await learner.update(updateAt(++t, optimizer));
    }
  }
  return losses;
}

/** One device, one micro-batch after the other, nothing recomputed. */
export async function plainCourse(lesson: Lesson, on = "wasm"): Promise<Course> {
  const backend = await startBackend(on);
  const { algebra } = backend;
  const { graph, seed, objective, beside } = lesson;
  const { options } = objective;
  const program = objectivePrograms[objective.kind]!;
  const state = makeState(algebra, graph, lesson.length, (w) => initialValues(w, seed));
  const optimizer = makeOptimizer(algebra, state, lesson.optimizer);
  const other =
    beside === undefined
      ? undefined
      : otherState(algebra, beside.graph, state, beside.shares, lesson.length, (w) => initialValues(w, seed));
  const losses = await teach(lesson, {
    generate: async (asked) => answersOf(backend, state, asked),
    run: async (batch, scale) => {
      const size = lesson.microBatch * program.rows(options);
      const logProbs = new Float32Array(batch.tokens.length);
      let loss = 0;
      for (let first = 0; first < batch.sequences; first += size) {
        const part = slice(batch, first, size);
        const run = { algebra, policy: state, other, batch: part, recompute: [], scale, options };
        const result = runMicro(program, run);
        loss += result.losses.reduce((a, b) => a + b, 0);
        if (result.logProbs !== undefined) logProbs.set(result.logProbs, first * batch.length);
      }
      return { loss, logProbs };
    },
    update: async (u) => applyUpdate(algebra, state, optimizer, u),
  });
  const weights = new Map(storedWeights(graph).map(({ name }) => [name, weightValues(algebra, state, name)]));
  if (other !== undefined && other.weights !== state.weights) freeState(algebra, other);
  freeState(algebra, state);
  for (const tensors of [optimizer.m, optimizer.v]) for (const t of tensors.values()) algebra.free(t);
  return { losses, weights };
}

export async function teamCourse(lesson: Lesson, job: TeamJob, pool: Pool): Promise<Course & Pick<Team, "placements">> {
  const team = await Team.open(job, pool);
  const losses = await teach(lesson, {
    generate: (asked) => team.generate(asked),
    run: async (batch, scale) => {
      const { losses: rows, logProbs } = await team.run(batch, scale);
      return { loss: rows.reduce((a, l) => a + l, 0), ...(logProbs === undefined ? {} : { logProbs }) };
    },
    update: (u) => team.update(u),
  });
  const tensors = await team.tensors("weights");
  const { placements } = team;
  await team.close();
  return { losses, weights: new Map(tensors.map((t) => [t.name.slice("weight/".length), t.values])), placements };
}

export interface Difference {
  /** Largest difference of a step's loss, relative to the largest loss (some objectives' pass through zero). */
  readonly loss: number;
  /** Largest ‖a − b‖ / ‖a‖ of a weight, or over the length of one step where the weight is shorter (biases start at zero). */
  readonly weights: number;
}

export function differenceOf(a: Course, b: Course): Difference {
  const largest = Math.max(...a.losses.map(Math.abs));
  const loss = Math.max(...a.losses.map((l, i) => Math.abs(l - b.losses[i]!) / largest));
  let weights = a.weights.size === b.weights.size ? 0 : Number.POSITIVE_INFINITY;
  for (const [name, x] of a.weights) {
    const y = b.weights.get(name);
    if (y?.length !== x.length) return { loss, weights: Number.POSITIVE_INFINITY };
    let off = 0;
    let size = 0;
    for (let i = 0; i < x.length; i++) {
      off += (x[i]! - y[i]!) ** 2;
      size += x[i]! ** 2;
    }
    const relative = Math.sqrt(off / Math.max(size, x.length * rate ** 2));
    // A weight that is not a number anywhere must not pass.
    weights = Number.isNaN(relative) ? Number.POSITIVE_INFINITY : Math.max(weights, relative);
  }
  return { loss: Number.isNaN(loss) ? Number.POSITIVE_INFINITY : loss, weights };
}
