import type { Optimizer } from "../../checker/pipeline.js";

/** Learning rate of step `step` (from 0) of `steps`: linear warm-up, then the schedule down to `minLr`. */
export function learningRate(o: Optimizer, step: number, steps: number, tokensPerStep: number): number {
  const { unit, amount } = o.schedule.warmup;
  const warmup = Math.min(steps, unit === "tokens" ? Math.ceil(amount / tokensPerStep) : unit === "steps" ? amount : 0);
  if (step < warmup) return (o.lr * (step + 1)) / warmup;
  const span = Math.max(1, steps - warmup);
  const at = Math.min(1, (step - warmup) / span);
  const between = (share: number): number => o.minLr + (o.lr - o.minLr) * share;
  switch (o.schedule.kind) {
    case "constant":
      return o.lr;
    case "linear":
      return between(1 - at);
    case "cosine":
      return between(0.5 * (1 + Math.cos(Math.PI * at)));
    case "wsd": {
      const decay = Math.max(1e-9, o.schedule.decay) * steps;
      return between(Math.min(1, (steps - step) / decay));
    }
  }
}
