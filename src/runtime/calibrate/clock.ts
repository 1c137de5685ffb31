/** Seconds of work, as little disturbed by other programs as can be. */
import type { BackendName } from "../backend/index.js";

/**
 * A backend that computes on this thread is timed by the processor's seconds: what others take meanwhile is not its own.
 * The others by the clock.
 */
export function clockOf(name: BackendName): () => number {
  const alone =
    name === "wasm" || name === "cpu" || (name === "tensorflow" && process.env.TF_NUM_INTRAOP_THREADS === "1");
  if (!alone) return () => performance.now() / 1000;
  return () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  };
}

/** Median seconds of one call. */
export function secondsOf(clock: () => number, work: () => void, times = 7): number {
  work();
  const seconds = Array.from({ length: times }, () => {
    const began = clock();
    work();
    return clock() - began;
  });
  return seconds.sort((a, b) => a - b)[Math.floor(times / 2)]!;
}
