/** A few steps of the shrunk model: by the plain program in this thread, and by workers. */
import type { ModelGraph } from "../../../model/graph.js";
import {
  applyUpdate,
  type HostBatch,
  makeOptimizer,
  makeState,
  microBatchStep,
  noiseOf,
  putBatch,
  storedWeights,
  type Update,
} from "../../../program/index.js";
import { startBackend } from "../../backend/index.js";
import { generator, initialValues } from "../../train/initial.js";
import type { TeamJob } from "../job.js";
import { type Pool, Team } from "../team.js";

export interface Course {
  readonly losses: readonly number[];
  readonly weights: ReadonlyMap<string, Float32Array>;
}

export interface Lesson {
  readonly graph: ModelGraph;
  readonly optimizer: "adamw" | "sgd";
  readonly sequences: number;
  readonly length: number;
  readonly steps: number;
  /** Several documents a row, which do not see each other. */
  readonly packed: boolean;
  readonly seed: number;
}

/** Random text: some of it padding, some of it in several documents. */
export function batchAt({ graph, sequences, length, packed, seed }: Lesson, step: number): HostBatch {
  const random = generator(seed + 1000 * step);
  const count = sequences * length;
  const tokens = Int32Array.from({ length: count + 1 }, () => Math.floor(random() * graph.vocab));
  const document = Math.ceil(length / 3);
  return {
    sequences,
    length,
    tokens: tokens.subarray(0, count),
    targets: tokens.slice(1),
    weights: Float32Array.from({ length: count }, () => (random() < 0.1 ? 0 : 1)),
    noise: noiseOf(seed, step, count),
    ...(packed
      ? {
          segments: Int32Array.from({ length: count }, (_, i) => Math.floor((i % length) / document)),
          positions: Int32Array.from({ length: count }, (_, i) => (i % length) % document),
        }
      : {}),
  };
}

/** AdamW makes a whole step of the rounding noise in a vanishing gradient (a key bias has one): its eps is above that noise. */
const rate = 1e-2;
const updateAt = (step: number): Update => ({
  lr: rate,
  beta1: 0.9,
  beta2: 0.95,
  eps: 1e-3,
  weightDecay: 0.1,
  clip: 1,
  t: step + 1,
  lossScale: 1,
});

const scaleOf = (b: HostBatch): number => 1 / b.weights.reduce((a, x) => a + x, 0);

/** One device, the whole batch at once, nothing recomputed. */
export async function plainCourse(lesson: Lesson): Promise<Course> {
  const { algebra } = await startBackend("wasm");
  const { graph, seed } = lesson;
  const state = makeState(algebra, graph, lesson.length, (w) => initialValues(w, seed));
  const optimizer = makeOptimizer(algebra, state, lesson.optimizer);
  const losses: number[] = [];
  for (let step = 0; step < lesson.steps; step++) {
    const batch = batchAt(lesson, step);
    const there = putBatch(algebra, batch);
    const rows = microBatchStep(algebra, state, there, [], scaleOf(batch));
    losses.push(algebra.read(rows).reduce((a, l) => a + l, 0) * scaleOf(batch));
    algebra.free(rows);
    there.free();
    applyUpdate(algebra, state, optimizer, updateAt(step));
  }
  const weights = new Map(storedWeights(graph).map(({ name }) => [name, algebra.read(state.weights.get(name)!)]));
  for (const tensors of [state.weights, state.gradients, optimizer.m, optimizer.v])
    for (const t of tensors.values()) algebra.free(t);
  for (const { cos, sin } of state.rope.values()) for (const t of [cos, sin]) algebra.free(t);
  return { losses, weights };
}

export async function teamCourse(lesson: Lesson, job: TeamJob, pool: Pool): Promise<Course & Pick<Team, "placements">> {
  const team = await Team.open(job, pool);
  const losses: number[] = [];
  for (let step = 0; step < lesson.steps; step++) {
    const batch = batchAt(lesson, step);
    const rows = await team.run(batch, scaleOf(batch));
    losses.push(rows.reduce((a, l) => a + l, 0) * scaleOf(batch));
    await team.update(updateAt(step));
  }
  const tensors = await team.tensors("weights");
  const { placements } = team;
  await team.close();
  return { losses, weights: new Map(tensors.map((t) => [t.name.slice("weight/".length), t.values])), placements };
}

export interface Difference {
  /** Largest relative difference of a step's loss. */
  readonly loss: number;
  /** Largest ‖a − b‖ / ‖a‖ of a weight, or over the length of one step where the weight is shorter (biases start at zero). */
  readonly weights: number;
}

export function differenceOf(a: Course, b: Course): Difference {
  const loss = Math.max(...a.losses.map((l, i) => Math.abs(l - b.losses[i]!) / Math.abs(l)));
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
