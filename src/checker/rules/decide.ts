/** What a rule may conclude from a setting that the planner still has to decide. */
import type { Decision, Setting } from "../pipeline.js";

export const fixed = <T>(setting: Setting<T> | undefined): T | undefined =>
  setting?.value.kind === "fixed" ? setting.value.value : undefined;

/** All values that it can take, where that is a short list. */
export function options<T>(decision: Decision<T>): readonly T[] | undefined {
  if (decision.kind === "fixed") return [decision.value];
  return decision.kind === "choice" ? decision.options : undefined;
}

/** The smallest number that it can be. */
export function atLeast(setting: Setting<number>): number {
  const { value } = setting;
  if (value.kind === "range") return value.min;
  const list = options(value);
  return list === undefined ? 1 : Math.min(...list);
}

/** The largest number that it can be. */
export function atMost(setting: Setting<number>): number {
  const { value } = setting;
  if (value.kind === "range") return value.max;
  const list = options(value);
  return list === undefined ? Number.POSITIVE_INFINITY : Math.max(...list);
}

/** Divisors of both up to 64, ascending: what a degree could be instead. */
export function commonDivisors(a: number, b: number): readonly number[] {
  const result: number[] = [];
  for (let d = 1; d <= Math.min(a, b, 64); d++) if (a % d === 0 && b % d === 0) result.push(d);
  return result;
}
