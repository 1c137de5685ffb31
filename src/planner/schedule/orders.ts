/** The fixed order of work of each rank, as the engines' own schedules have it. */
import type { ScheduleInput, Step } from "./types.js";

const forward = (micro_batch: number, chunk: number): Step => ({ kind: "forward", micro_batch, chunk });
const backward = (micro_batch: number, chunk: number): Step => ({ kind: "backward", micro_batch, chunk });

export function gpipe({ ranks, microBatches }: ScheduleInput): Step[][] {
  return Array.from({ length: ranks }, (_, rank) => {
    const all = Array.from({ length: microBatches }, (_, m) => m);
    return [...all.map((m) => forward(m, rank)), ...all.map((m) => backward(m, rank))];
  });
}

/** Warm-up forwards, then one forward and one backward in turn, then the remaining backwards. */
function alternate(forwards: readonly Step[], backwards: readonly Step[], warmup: number): Step[] {
  const steps = forwards.slice(0, warmup);
  for (let i = warmup; i < forwards.length; i++) steps.push(forwards[i]!, backwards[i - warmup]!);
  return [...steps, ...backwards.slice(forwards.length - warmup)];
}

export function oneForwardOneBackward({ ranks, microBatches }: ScheduleInput): Step[][] {
  return Array.from({ length: ranks }, (_, rank) => {
    const all = Array.from({ length: microBatches }, (_, m) => m);
    return alternate(
      all.map((m) => forward(m, rank)),
      all.map((m) => backward(m, rank)),
      Math.min(microBatches, ranks - rank - 1),
    );
  });
}

/** Megatron-LM's order: groups of `ranks` micro-batches pass chunk after chunk; backwards mirror it. */
export function interleaved({ ranks, virtual, microBatches }: ScheduleInput): Step[][] {
  return Array.from({ length: ranks }, (_, rank) => {
    const forwards: Step[] = [];
    const backwards: Step[] = [];
    for (let group = 0; group < microBatches; group += ranks) {
      const size = Math.min(ranks, microBatches - group);
      for (let v = 0; v < virtual; v++) {
        for (let i = 0; i < size; i++) {
          forwards.push(forward(group + i, v * ranks + rank));
          backwards.push(backward(group + i, (virtual - 1 - v) * ranks + rank));
        }
      }
    }
    const total = microBatches * virtual;
    const warmup = Math.min(total, 2 * (ranks - rank - 1) + (virtual - 1) * ranks);
    return alternate(forwards, backwards, warmup);
  });
}

/** ZB-H1 (Qi et al. 2024): 1F1B whose weight gradients lag behind by as many micro-batches as the rank's number. */
export function zeroBubble(input: ScheduleInput): Step[][] {
  return oneForwardOneBackward(input).map((steps, rank) => {
    const waiting: Step[] = [];
    const order: Step[] = [];
    for (const step of steps) {
      order.push(step);
      if (step.kind !== "backward") continue;
      waiting.push({ ...step, kind: "weight" });
      if (waiting.length > rank) order.push(waiting.shift()!);
    }
    return [...order, ...waiting];
  });
}
