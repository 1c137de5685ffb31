/** Plays a schedule: a task starts when its rank is free and what it needs has arrived. */
import { gpipe, interleaved, oneForwardOneBackward, zeroBubble } from "./orders.js";
import { scheduleTraits } from "./traits.js";
import type { ScheduleInput, Simulation, Step, Task } from "./types.js";

export function simulate(input: ScheduleInput): Simulation {
  const traits = scheduleTraits(input.kind);
  const orders = { gpipe, "1f1b": oneForwardOneBackward, interleaved, zero_bubble: zeroBubble };
  const tasks = input.kind === "dualpipe" ? playGreedy(input) : playOrder(input, orders[input.kind](input));
  const makespan = tasks.reduce((latest, t) => Math.max(latest, t.end), 0);
  const busy = tasks.reduce((sum, t) => sum + (t.end - t.start), 0);
  return {
    tasks,
    makespan,
    inFlight: countInFlight(input, tasks, traits.splitsBackward),
    bubble: makespan > 0 ? 1 - busy / (makespan * input.ranks) : 0,
  };
}

/** Ends of forwards and backwards by chunk and micro-batch; NaN: not done. */
class Progress {
  readonly forward: Float64Array;
  readonly backward: Float64Array;
  private readonly m: number;
  private readonly rankOf: (chunk: number, ranks: number) => number;
  constructor(private readonly input: ScheduleInput) {
    const chunks = input.ranks * input.virtual;
    this.m = input.microBatches;
    this.forward = new Float64Array(chunks * this.m).fill(Number.NaN);
    this.backward = new Float64Array(chunks * this.m).fill(Number.NaN);
    this.rankOf = scheduleTraits(input.kind).rankOf;
  }
  at(chunk: number, micro: number): number {
    return chunk * this.m + micro;
  }
  /** When the inputs of a task are there; NaN: not yet known. */
  ready(kind: Step["kind"], chunk: number, micro: number): number {
    const last = this.input.ranks * this.input.virtual - 1;
    const hop = (a: number, b: number): number =>
      this.rankOf(a, this.input.ranks) === this.rankOf(b, this.input.ranks) ? 0 : this.input.transfer;
    if (kind === "forward") {
      return chunk === 0 ? 0 : this.forward[this.at(chunk - 1, micro)]! + hop(chunk - 1, chunk);
    }
    const own = this.forward[this.at(chunk, micro)]!;
    if (kind === "weight") return this.backward[this.at(chunk, micro)]!;
    return chunk === last ? own : Math.max(own, this.backward[this.at(chunk + 1, micro)]! + hop(chunk + 1, chunk));
  }
}

function durationsOf(input: ScheduleInput): Readonly<Record<Step["kind"], readonly number[]>> {
  if (!scheduleTraits(input.kind).splitsBackward)
    return { forward: input.forward, backward: input.backward, weight: [] };
  const weight = input.weight ?? input.backward.map((b) => b / 2);
  return { forward: input.forward, backward: input.backward.map((b, i) => b - weight[i]!), weight };
}

function playOrder(input: ScheduleInput, orders: readonly (readonly Step[])[]): Task[] {
  const progress = new Progress(input);
  const durations = durationsOf(input);
  const next = orders.map(() => 0);
  const free = orders.map(() => 0);
  const tasks: Task[] = [];
  const total = orders.reduce((sum, o) => sum + o.length, 0);
  for (let moved = true; tasks.length < total; ) {
    if (!moved) throw new Error(`schedule ${input.kind} deadlocks`);
    moved = false;
    for (let rank = 0; rank < orders.length; rank++) {
      for (let step = orders[rank]![next[rank]!]; step !== undefined; step = orders[rank]![next[rank]!]) {
        const ready = progress.ready(step.kind, step.chunk, step.micro_batch);
        if (Number.isNaN(ready)) break;
        const start = Math.max(free[rank]!, ready);
        const end = start + durations[step.kind][step.chunk]!;
        if (step.kind !== "weight") progress[step.kind][progress.at(step.chunk, step.micro_batch)] = end;
        tasks.push({ rank, ...step, start, end });
        free[rank] = end;
        next[rank] = next[rank]! + 1;
        moved = true;
      }
    }
  }
  return tasks;
}

/**
 * DualPipe by its rule instead of a table: of what is ready, a rank takes a backward first, then a forward
 * while it may hold more activations, then a waiting weight gradient; it never starts later than it could.
 */
function playGreedy(input: ScheduleInput): Task[] {
  const { ranks, virtual, microBatches: m } = input;
  const traits = scheduleTraits(input.kind);
  const chunks = ranks * virtual;
  const durations = durationsOf(input);
  const progress = new Progress(input);
  const owned = Array.from({ length: ranks }, (_, rank) =>
    Array.from({ length: chunks }, (_, c) => c).filter((c) => traits.rankOf(c, ranks) === rank),
  );
  const nextForward = new Int32Array(chunks);
  const nextBackward = new Int32Array(chunks);
  const pendingWeights: Step[][] = owned.map(() => []);
  const held = new Int32Array(ranks);
  const free = new Float64Array(ranks);
  const tasks: Task[] = [];
  const total = chunks * m * 3;
  while (tasks.length < total) {
    let best: { rank: number; step: Step; start: number; priority: number } | undefined;
    const offer = (rank: number, step: Step, priority: number): void => {
      const ready = progress.ready(step.kind, step.chunk, step.micro_batch);
      if (Number.isNaN(ready)) return;
      const start = Math.max(free[rank]!, ready);
      if (best === undefined || start < best.start || (start === best.start && priority < best.priority)) {
        best = { rank, step, start, priority };
      }
    };
    for (let rank = 0; rank < ranks; rank++) {
      const limit = traits.inFlight(rank, ranks, virtual, m);
      for (const chunk of owned[rank]!) {
        if (nextBackward[chunk]! < m) {
          offer(rank, { kind: "backward", micro_batch: nextBackward[chunk]!, chunk }, 0);
        }
        // The way back needs room too: a first chunk stops one short of the limit so that a later one can follow.
        const room = limit - held[rank]! - (chunk < ranks && virtual > 1 ? 1 : 0);
        if (nextForward[chunk]! < m && room > 0) {
          offer(rank, { kind: "forward", micro_batch: nextForward[chunk]!, chunk }, chunk >= ranks ? 1 : 2);
        }
      }
      const waiting = pendingWeights[rank]![0];
      if (waiting !== undefined) offer(rank, waiting, 3);
    }
    if (best === undefined) throw new Error(`schedule ${input.kind} deadlocks`);
    const { rank, step, start } = best;
    const { chunk, micro_batch } = step;
    const duration = durations[step.kind][chunk]!;
    const end = start + duration;
    tasks.push({ rank, ...step, start, end });
    free[rank] = end;
    if (step.kind === "forward") {
      progress.forward[progress.at(chunk, micro_batch)] = end;
      nextForward[chunk] = nextForward[chunk]! + 1;
      held[rank] = held[rank]! + 1;
    } else if (step.kind === "backward") {
      progress.backward[progress.at(chunk, micro_batch)] = end;
      nextBackward[chunk] = nextBackward[chunk]! + 1;
      pendingWeights[rank]!.push({ kind: "weight", micro_batch, chunk });
    } else {
      pendingWeights[rank]!.shift();
      held[rank] = held[rank]! - 1;
    }
  }
  return tasks;
}

/** Activations live from the start of a forward to the end of the last task that reads them. */
function countInFlight(input: ScheduleInput, tasks: readonly Task[], split: boolean): number[] {
  const releases = split ? "weight" : "backward";
  return Array.from({ length: input.ranks }, (_, rank) => {
    const own = tasks.filter((t) => t.rank === rank).sort((a, b) => a.start - b.start || a.end - b.end);
    let held = 0;
    let most = 0;
    for (const task of own) {
      if (task.kind === "forward") most = Math.max(most, ++held);
      else if (task.kind === releases) held--;
    }
    return most;
  });
}
