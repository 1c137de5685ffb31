import type { Setting } from "../../checker/pipeline.js";

/** What a setting leaves of the values that could be. What the file fixes or lists is taken as written. */
export function allowed<T>(setting: Setting<T>, possible: readonly T[]): readonly T[] {
  const decision = setting.value;
  switch (decision.kind) {
    case "fixed":
      return [decision.value];
    case "choice":
      return decision.options;
    case "range":
      return possible.filter((v) => typeof v === "number" && v >= decision.min && v <= decision.max);
    case "auto":
      return possible;
  }
}

export const isFixed = <T>(setting: Setting<T>): boolean => setting.value.kind === "fixed";

export const fixedValue = <T>(setting: Setting<T>): T | undefined =>
  setting.value.kind === "fixed" ? setting.value.value : undefined;

/** As a person would write it. */
export function written<T>(setting: Setting<T>): string {
  const d = setting.value;
  if (d.kind === "fixed") return String(d.value);
  if (d.kind === "choice") return d.options.join(" | ");
  return d.kind === "range" ? `${d.min}..${d.max}` : "auto";
}

const cache = new Map<number, readonly number[]>();

/** Divisors in ascending order. */
export function divisors(n: number): readonly number[] {
  const known = cache.get(n);
  if (known !== undefined) return known;
  const low: number[] = [];
  const high: number[] = [];
  for (let d = 1; d * d <= n; d++) {
    if (n % d !== 0) continue;
    low.push(d);
    if (d * d !== n) high.push(n / d);
  }
  const all = [...low, ...high.reverse()];
  cache.set(n, all);
  return all;
}

/** Counts worth trying where the file says `auto` or gives a range too long to try one by one: all up to 16, then 2ᵏ and 3·2ᵏ. */
export function counts(setting: Setting<number>): readonly number[] {
  const d = setting.value;
  if (d.kind === "fixed") return [d.value];
  if (d.kind === "choice") return d.options;
  const [min, max] = d.kind === "range" ? [d.min, d.max] : [1, 64];
  return Array.from({ length: max - min + 1 }, (_, i) => min + i);
}
