/** The order of work of one pipeline stage, as the plan's schedule has it. */
import type { ParallelPlan } from "../plan.js";
import { simulate } from "./simulate.js";
import type { TaskKind } from "./types.js";

export interface StageTask {
  readonly kind: TaskKind;
  readonly micro_batch: number;
  readonly chunk: number;
}

export function tasksOf(parallel: ParallelPlan, stage: number): readonly StageTask[] {
  const { pipeline: ranks, virtual, schedule: kind, accumulation: microBatches } = parallel;
  const chunks = ranks * virtual;
  const { tasks } = simulate({
    kind,
    ranks,
    virtual,
    microBatches,
    forward: new Array<number>(chunks).fill(1),
    backward: new Array<number>(chunks).fill(2),
    transfer: 0,
  });
  return tasks
    .filter((t) => t.rank === stage)
    .map(({ kind: what, micro_batch, chunk }) => ({ kind: what, micro_batch, chunk }));
}

/** Only forwards, of so many micro-batches. */
export function forwardTasks(chunks: readonly { readonly rank: number }[], stage: number, micro: number): StageTask[] {
  return Array.from({ length: micro }, (_, micro_batch) =>
    chunks.flatMap(({ rank }, chunk) => (rank === stage ? [{ kind: "forward" as const, micro_batch, chunk }] : [])),
  ).flat();
}
