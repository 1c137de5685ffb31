/** A plan's ranks as worker threads, seen from the main thread: whole batches go in, losses and whole weights come out. */
import { availableParallelism } from "node:os";
import { runCodes } from "../../diagnostics/index.js";
import { forwardTasks, tasksOf } from "../../planner/schedule/index.js";
import {
  type ObjectiveBatch,
  objectivePrograms,
  type RankTask,
  type Section,
  type Update,
} from "../../program/index.js";
import { type BackendName, isBackend } from "../backend/index.js";
import { besideBundle } from "../beside-bundle.js";
import { coordinatesOf, launch, type Team as Threads, worldSize } from "../collectives/index.js";
import { RunFailure } from "../failure.js";
import type { NamedTensor } from "../interfaces.js";
import { rowsOf, type Sweep } from "../train/executor.js";
import type { Asked } from "../train/generate.js";
import type { Ask, Placement, Reply, StatePart, TeamJob } from "./job.js";

/** In shared memory, so that every worker reads the same copy. */
export function shared(tensors: readonly Pick<NamedTensor, "name" | "values">[]): ReadonlyMap<string, Float32Array> {
  return new Map(
    tensors.map(({ name, values }) => {
      const copy = new Float32Array(new SharedArrayBuffer(values.byteLength));
      copy.set(values);
      return [name, copy];
    }),
  );
}

interface Waiting {
  readonly got: (Reply | undefined)[];
  left: number;
  readonly resolve: (replies: readonly Reply[]) => void;
  readonly reject: (error: unknown) => void;
}

/** A worker ended before its time; the run as a whole can start again from its last checkpoint. */
export class WorkerFailure extends Error {
  override readonly name = "WorkerFailure";
}

export interface PoolOptions {
  /** The worker's program, where it is not beside the bundle. */
  readonly file?: string;
  /** What computes in each. */
  readonly backend?: BackendName;
}

const onThreads: readonly (string | undefined)[] = ["wasm", "cpu", "tensorflow"];

/** Workers compute on the backend that is asked for, where several threads can have it; on WASM if nothing is. */
export function workerBackend(named: string | undefined): BackendName {
  if (named === undefined) return "wasm";
  if (isBackend(named) && onThreads.includes(named)) return named;
  throw new RunFailure(
    runCodes.report(
      "LLMP6003",
      undefined,
      { stage: "with several workers", why: `workers do not compute on ${named}` },
      { hints: ["--backend wasm, tensorflow or cpu"] },
    ),
  );
}

/** Said in this thread, whose environment is the process's: TensorFlow reads it when its first context is made. */
function sharedTensorflow(workers: number): void {
  process.env.TF_NUM_INTRAOP_THREADS ??= String(Math.max(1, Math.floor(availableParallelism() / workers)));
  process.env.TF_CPP_MIN_LOG_LEVEL ??= "2";
}

/** Worker threads that are ready for one job after another. */
export class Pool {
  readonly #threads: Threads;
  #waiting: Waiting | undefined;
  #failure: unknown;
  #ending = false;

  private constructor(
    readonly size: number,
    { file = besideBundle("worker.js"), backend = "wasm" }: PoolOptions,
  ) {
    if (backend === "tensorflow") sharedTensorflow(size);
    this.#threads = launch({
      file,
      size,
      data: () => backend,
      onMessage: ({ rank, message }) => this.#got(rank, message as Reply),
    });
    this.#threads.done.then(
      () => {
        if (!this.#ending) this.#fail(new WorkerFailure("it ended too early"));
      },
      (error: unknown) => this.#fail(error),
    );
  }

  static async start(size: number, options: PoolOptions = {}): Promise<Pool> {
    const pool = new Pool(size, options);
    await pool.#replies(size);
    return pool;
  }

  #replies(size: number): Promise<readonly Reply[]> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) reject(this.#failure);
      else this.#waiting = { got: new Array(size).fill(undefined), left: size, resolve, reject };
    });
  }

  #got(rank: number, message: Reply): void {
    if (message.kind === "failed") {
      this.#fail(new RunFailure(message.diagnostic));
      void this.#threads.terminate();
      return;
    }
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    waiting.got[rank] = message;
    if (--waiting.left > 0) return;
    this.#waiting = undefined;
    waiting.resolve(waiting.got as Reply[]);
  }

  /** The first cause counts; what follows from it does not. */
  #fail(error: unknown): void {
    const known = error instanceof RunFailure || error instanceof WorkerFailure;
    this.#failure ??= known
      ? error
      : new WorkerFailure(error instanceof Error ? error.message : String(error), { cause: error });
    this.#waiting?.reject(this.#failure);
    this.#waiting = undefined;
  }

  /** Asks the first `size` workers, and waits for all of them. */
  async ask<K extends Reply["kind"]>(
    _kind: K,
    size: number,
    message: (rank: number) => Ask,
  ): Promise<readonly Extract<Reply, { kind: K }>[]> {
    const replies = this.#replies(size);
    if (this.#failure === undefined) for (let rank = 0; rank < size; rank++) this.#threads.post(rank, message(rank));
    return (await replies) as readonly Extract<Reply, { kind: K }>[];
  }

  async end(): Promise<void> {
    this.#ending = true;
    if (this.#failure === undefined) for (let r = 0; r < this.size; r++) this.#threads.post(r, { kind: "end" });
    await this.#threads.done.catch(() => {});
  }
}

/** The ranks of one job. */
export class Team {
  readonly size: number;
  /** Of tensors on the fullest rank, since the last step began. */
  peakBytes = 0;
  /** By all ranks since their threads started. */
  sentBytes = 0;

  private constructor(
    readonly job: TeamJob,
    readonly pool: Pool,
    /** By rank. */
    readonly placements: readonly (readonly Placement[])[],
    /** Every rank has the whole model. */
    readonly whole: boolean,
  ) {
    this.size = worldSize(job.parallel);
  }

  static async open(job: TeamJob, pool: Pool): Promise<Team> {
    const replies = await pool.ask("open", worldSize(job.parallel), () => ({ kind: "open", job }));
    return new Team(
      job,
      pool,
      replies.map((r) => r.placements),
      replies.every((r) => r.whole),
    );
  }

  #ask<K extends Reply["kind"]>(kind: K, message: (rank: number) => Ask) {
    return this.pool.ask(kind, this.size, message);
  }

  /**
   * Forward, and with `scale` backward, of a step's rows.
   * @param objective another than the job's, for an evaluation
   */
  async run(batch: ObjectiveBatch, scale: number | undefined, objective?: string): Promise<Sweep> {
    const { parallel, chunks } = this.job;
    const { data, context } = parallel;
    const rows = objectivePrograms[objective ?? this.job.objective.kind]!.rows(this.job.objective.options);
    const size = parallel.micro_batch * rows;
    const each = Math.ceil(batch.sequences / (data * size)) * size;
    const replies = await this.#ask("run", (rank) => {
      const at = coordinatesOf(rank, parallel);
      const micro = Array.from({ length: each / size }, (_, i) => padded(batch, at.data * each + i * size, size));
      const tasks: readonly RankTask[] =
        scale === undefined ? forwardTasks(chunks, at.pipeline, micro.length) : tasksOf(parallel, at.pipeline);
      return { kind: "run", micro, tasks, scale, ...(objective === undefined ? {} : { objective }) };
    });
    this.peakBytes = Math.max(...replies.map((r) => r.peak));
    const losses = new Float64Array(batch.sequences);
    const sums = new Map<string, number>();
    const logProbs = new Float32Array(batch.tokens.length);
    let looked = false;
    const part = batch.length / context;
    for (const [rank, { results }] of replies.entries()) {
      const at = coordinatesOf(rank, parallel);
      if (at.tensor > 0) continue;
      for (const [m, result] of results.entries()) {
        for (const [name, value] of Object.entries(result.sums)) sums.set(name, (sums.get(name) ?? 0) + value);
        if (at.pipeline !== chunks.at(-1)!.rank) continue;
        looked ||= result.logProbs !== undefined;
        for (let r = 0; r < size; r++) {
          const row = at.data * each + m * size + r;
          if (row >= batch.sequences) continue;
          losses[row] = losses[row]! + result.losses[r]!;
          const own = result.logProbs?.subarray(r * part, (r + 1) * part);
          if (own !== undefined) logProbs.set(own, row * batch.length + at.context * part);
        }
      }
    }
    return { losses, sums, ...(looked ? { logProbs } : {}) };
  }

  /** Each rank answers its part of the rows, whatever the layout is. */
  async generate(asked: Asked): Promise<readonly (readonly number[])[]> {
    const weights = this.whole ? undefined : shared(await this.tensors("weights"));
    const bound = (rank: number): number => Math.floor((asked.rows.length * rank) / this.size);
    const replies = await this.#ask("generate", (rank) => {
      const rows = asked.rows.slice(bound(rank), bound(rank + 1));
      return { kind: "generate", asked: { ...asked, rows }, weights };
    });
    this.peakBytes = Math.max(...replies.map((r) => r.peak));
    return replies.flatMap((r) => r.answers);
  }

  /** Gives the gradient's norm; where that is not finite nothing was updated. */
  async update(update: Update): Promise<number> {
    const replies = await this.#ask("update", () => ({ kind: "update", update }));
    this.peakBytes = Math.max(...replies.map((r) => r.peak));
    this.sentBytes = replies.reduce((sum, r) => sum + r.sentBytes, 0);
    return replies[0]!.norm;
  }

  /** Whole weights, `weight/…`, and (all) optimizer state, `m/…` and `v/…`. */
  async tensors(which: "weights" | "all"): Promise<NamedTensor[]> {
    const sections: readonly Section[] = which === "all" ? ["weight", "m", "v"] : ["weight"];
    const replies = await this.#ask("state", () => ({ kind: "state", sections }));
    const parts: readonly StatePart[] = replies.flatMap((r) => r.parts);
    return parts.map(({ section, name, shape, values }) => ({ name: `${section}/${name}`, shape, values }));
  }

  async close(): Promise<void> {
    await this.#ask("close", () => ({ kind: "close" }));
  }
}

/** Rows `first`… of a batch; beyond its end rows that count for nothing. */
const padded = (batch: ObjectiveBatch, first: number, rows: number): ObjectiveBatch =>
  rowsOf(batch, rows, (x, width) => {
    const out = new (x.constructor as new (n: number) => typeof x)(rows * width);
    out.set(x.subarray(first * width, (first + rows) * width));
    return out;
  });
