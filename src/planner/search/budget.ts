/** Stages share the budget: one point of each stage's front, together within it. Exact: fronts are merged point by point. */
import type { Budget } from "../../checker/pipeline.js";
import { front } from "./front.js";
import type { Choice } from "./solve.js";
import { unknownMoney } from "./terms.js";

export interface Combination {
  readonly seconds: number;
  /** Dollars, or above `unknownMoney` where a price is not known. */
  readonly money: number;
  readonly choices: readonly Choice[];
}

export function combine(fronts: readonly (readonly Choice[])[]): Combination[] {
  let all: Combination[] = [{ seconds: 0, money: 0, choices: [] }];
  for (const stage of fronts) {
    all = front(
      all.flatMap((c) =>
        stage.map((p) => ({ seconds: c.seconds + p.seconds, money: c.money + p.money, choices: [...c.choices, p] })),
      ),
    );
  }
  return all;
}

export interface Picked {
  readonly combination: Combination;
  readonly within: boolean;
}

/** A limit on money is met only by what has a price. */
export const affordable = (c: { readonly money: number }, cost: number | undefined): boolean =>
  cost === undefined || (c.money < unknownMoney && c.money <= cost);

export function pick(all: readonly Combination[], budget: Budget): Picked {
  const time = budget.time?.value ?? Number.POSITIVE_INFINITY;
  const money = budget.cost?.value;
  const key = (c: Combination): number => (budget.minimize.value === "time" ? c.seconds : c.money);
  const within = all.filter((c) => c.seconds <= time && affordable(c, money));
  const best = (from: readonly Combination[], of: (c: Combination) => number): Combination =>
    from.reduce((a, b) => (of(b) < of(a) ? b : a));
  if (within.length > 0) return { combination: best(within, key), within: true };
  return {
    combination: best(all, (c) => Math.max(c.seconds / time, money === undefined ? 0 : c.money / money)),
    within: false,
  };
}
