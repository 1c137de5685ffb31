import type { RunSummary, StepMetrics } from "../types.js";

/** What a stage measured, all of its steps together: those too that were made before it was resumed. */
export function measuredOf(
  steps: readonly StepMetrics[],
): Pick<RunSummary["stages"][number], "measured" | "first_loss" | "final_loss"> {
  const times = steps.map((m) => m.step_seconds).sort((a, b) => a - b);
  const median = times[Math.floor(times.length / 2)] ?? 0;
  const tokens = steps.reduce((sum, m) => sum + m.tokens_per_second * m.step_seconds, 0);
  return {
    measured: {
      peak_bytes: steps.reduce((most, m) => Math.max(most, m.peak_bytes), 0),
      step_seconds: median,
      tokens_per_second: median > 0 ? tokens / steps.length / median : 0,
    },
    first_loss: steps[0]?.loss ?? Number.NaN,
    final_loss: steps.at(-1)?.loss ?? Number.NaN,
  };
}
