import type { ScheduleKind } from "../../checker/pipeline.js";
import type { Seconds } from "../../units/index.js";

/** A pipeline as the simulator sees it: chunks of layers on ranks, each with its times for one micro-batch. */
export interface ScheduleInput {
  readonly kind: ScheduleKind;
  readonly ranks: number;
  /** Chunks per rank. */
  readonly virtual: number;
  readonly microBatches: number;
  /** Per chunk, in model order; length ranks × virtual. */
  readonly forward: readonly Seconds[];
  /** Whole backward: gradients of inputs and of weights, recomputation included. */
  readonly backward: readonly Seconds[];
  /** Of the backward, the part that computes weight gradients (zero-bubble schedules move it). Default: half. */
  readonly weight?: readonly Seconds[];
  /** From one chunk to the next, when they are on different ranks. */
  readonly transfer: Seconds;
}

export type TaskKind = "forward" | "backward" | "weight";

export interface Task {
  readonly rank: number;
  readonly kind: TaskKind;
  readonly micro_batch: number;
  readonly chunk: number;
  readonly start: Seconds;
  readonly end: Seconds;
}

export interface Simulation {
  readonly tasks: readonly Task[];
  readonly makespan: Seconds;
  /** Per rank: most (micro-batch, chunk) pairs whose activations are held at once. */
  readonly inFlight: readonly number[];
  /** Idle share of all ranks' time. */
  readonly bubble: number;
}

/** What a rank does, in order. */
export interface Step {
  readonly kind: TaskKind;
  readonly micro_batch: number;
  readonly chunk: number;
}
