/** Stages share the budget: one point of each stage's front, together within it. Exact: fronts are merged point by point. */
import type { Budget } from "../../checker/pipeline.js";
import { front } from "./front.js";
import type { Choice } from "./solve.js";

export interface Combination {
  readonly seconds: number;
  readonly usd: number;
  readonly choices: readonly Choice[];
}

export function combine(fronts: readonly (readonly Choice[])[]): Combination[] {
  let all: Combination[] = [{ seconds: 0, usd: 0, choices: [] }];
  for (const stage of fronts) {
    all = front(
      all.flatMap((c) =>
        stage.map((p) => ({ seconds: c.seconds + p.seconds, usd: c.usd + p.usd, choices: [...c.choices, p] })),
      ),
    );
  }
  return all;
}

export interface Picked {
  readonly combination: Combination;
  readonly within: boolean;
}

export function pick(all: readonly Combination[], budget: Budget): Picked {
  const time = budget.time?.value ?? Number.POSITIVE_INFINITY;
  const money = budget.cost?.value ?? Number.POSITIVE_INFINITY;
  const key = (c: Combination): number => (budget.minimize.value === "time" ? c.seconds : c.usd);
  const within = all.filter((c) => c.seconds <= time && c.usd <= money);
  const best = (from: readonly Combination[], of: (c: Combination) => number): Combination =>
    from.reduce((a, b) => (of(b) < of(a) ? b : a));
  if (within.length > 0) return { combination: best(within, key), within: true };
  return { combination: best(all, (c) => Math.max(c.seconds / time, c.usd / money)), within: false };
}
