/** What of a device's memory is not tensors: context, libraries, the allocator's slack. */
import type { Job } from "../time/job.js";

/** Communication libraries keep buffers for each group that a rank is in. */
export const libraryBytes = (job: Job): number => {
  const { tensor, pipeline, data, context, expert } = job.layout;
  const groups = [tensor, pipeline, data * context, context, expert].filter((n) => n > 1).length;
  return groups * 0.25 * 1024 ** 3;
};

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
