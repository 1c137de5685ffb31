/** Levenberg–Marquardt on logarithms of measured over predicted, priors on every constant, outliers held down (Huber). */

import type { Job } from "../time/job.js";
import type { Constants } from "../time/rates.js";
import { stepTime } from "../time/step.js";
import { jobOf, type Prepared } from "./job-of-run.js";
import { applied, type Parameter } from "./parameters.js";

export interface Sample {
  readonly prepared: Prepared;
  readonly seconds: number;
  readonly weight: number;
}

/** One table of one publisher shares software and cluster: it counts as its rows to the power of 0.6. */
export function weigh(rows: readonly { readonly prepared: Prepared; readonly seconds: number }[]): Sample[] {
  const counts = new Map<string, number>();
  for (const r of rows) counts.set(sourceOf(r.prepared), (counts.get(sourceOf(r.prepared)) ?? 0) + 1);
  return rows.map((r) => ({ ...r, weight: counts.get(sourceOf(r.prepared))! ** -0.4 }));
}

export function sourceOf(p: Prepared): string {
  const source = (p.run.source ?? "").replace(/ (row|line) \d+.*/, "").slice(0, 44);
  return `${source}|${p.machine.name}`;
}

/** What one unmodelled per cent is worth: the noise between repeats and versions. */
const noise = 0.04;
const huber = 1.5;
/** What clusters, versions and settings that no column names make of a whole table (standard deviation of a logarithm). */
const betweenTables = 0.12;

export function predictAll(
  samples: readonly { readonly prepared: Prepared }[],
  parameters: readonly Parameter[],
  values: readonly number[],
  base: Constants,
): number[] {
  const { constants, traits } = applied(parameters, values, base);
  const known = new Map<string, Job>();
  return samples.map(({ prepared: p }) => {
    // Rows that share model, machine and software share the costs of their layers.
    const key = sharedBy(p);
    let first = known.get(key);
    if (first === undefined) {
      first = jobOf(p, traits(p.stack, p.traits), constants);
      known.set(key, first);
      return stepTime(first).seconds;
    }
    const { rates, cache, shape } = first;
    return stepTime({ ...jobOf(p, rates.stack, constants), rates, cache, shape }).seconds;
  });
}

const keys = new WeakMap<Prepared, string>();
function sharedBy(p: Prepared): string {
  let key = keys.get(p);
  if (key === undefined) {
    key = JSON.stringify([p.stack, p.traits, p.machine, p.compute, p.shape]);
    keys.set(p, key);
  }
  return key;
}

/** Rows that a parameter can move: a stack's own, a generation's own, else all. */
function movedBy(name: string, samples: readonly Sample[]): number[] {
  const [group, key, last] = name.split(".") as [string, string, string | undefined];
  const touches = (p: Prepared): boolean =>
    group === "stack"
      ? p.stack === key
      : key === "power"
        ? p.machine.name === last
        : last === undefined || !generations.has(last) || p.machine.generation === last;
  return samples.flatMap((s, i) => (touches(s.prepared) ? [i] : []));
}
const generations = new Set(["ampere", "hopper", "blackwell", "cdna3", "ada"]);

/**
 * Constants of all tables together. Each table may be off by a factor of its own that no constant explains (a random effect):
 * it is fitted beside them and then forgotten, so that one publisher's cluster does not bend what all others share.
 */
export function fitConstants(
  samples: readonly Sample[],
  parameters: readonly Parameter[],
  base: Constants,
  iterations = 12,
  start?: readonly number[],
): number[] {
  const tables = [...new Set(samples.map((s) => sourceOf(s.prepared)))];
  const tableOf = samples.map((s) => parameters.length + tables.indexOf(sourceOf(s.prepared)));
  const spreads = [...parameters.map((p) => p.spread), ...tables.map(() => betweenTables)];
  const n = spreads.length;
  const moved = parameters.map((p) => movedBy(p.name, samples));
  let values = start === undefined ? spreads.map(() => 0) : [...start, ...tables.map(() => 0)];
  const residualsOf = (v: readonly number[], rows?: readonly number[]): number[] => {
    const of = rows ?? samples.map((_, i) => i);
    const predicted = predictAll(
      of.map((i) => samples[i]!),
      parameters,
      v,
      base,
    );
    return of.map((i, at) => (Math.log(predicted[at]! / samples[i]!.seconds) + v[tableOf[i]!]!) / noise);
  };
  const cost = (r: readonly number[], v: readonly number[]): number =>
    r.reduce((sum, x, i) => {
      const a = Math.abs(x);
      return sum + samples[i]!.weight * (a <= huber ? 0.5 * a * a : huber * (a - 0.5 * huber));
    }, 0) + v.reduce((sum, x, i) => sum + 0.5 * (x / spreads[i]!) ** 2, 0);
  let r = residualsOf(values);
  let now = cost(r, values);
  let damping = 0.01;
  for (let step = 0; step < iterations; step++) {
    const jacobian = spreads.map((spread, j) => {
      const column = new Float64Array(samples.length);
      if (j >= parameters.length) {
        for (let i = 0; i < samples.length; i++) if (tableOf[i] === j) column[i] = 1 / noise;
        return column;
      }
      const h = 0.02 * Math.min(1, spread * 4);
      const trial = [...values];
      trial[j] = trial[j]! + h;
      const rows = moved[j]!;
      for (const [at, x] of residualsOf(trial, rows).entries()) column[rows[at]!] = (x - r[rows[at]!]!) / h;
      return column;
    });
    const weights = r.map((x, i) => samples[i]!.weight * Math.min(1, huber / Math.max(1e-9, Math.abs(x))));
    const a = Array.from({ length: n }, () => new Float64Array(n));
    const g = new Float64Array(n);
    for (let j = 0; j < n; j++) {
      const cj = jacobian[j]!;
      for (let k = j; k < n; k++) {
        const ck = jacobian[k]!;
        let sum = 0;
        for (let i = 0; i < r.length; i++) sum += weights[i]! * cj[i]! * ck[i]!;
        a[j]![k] = sum;
        a[k]![j] = sum;
      }
      let sum = 0;
      for (let i = 0; i < r.length; i++) sum += weights[i]! * cj[i]! * r[i]!;
      const prior = 1 / spreads[j]! ** 2;
      g[j] = sum + prior * values[j]!;
      a[j]![j]! += prior;
    }
    let improved = false;
    let gain = 0;
    for (let attempt = 0; attempt < 6 && !improved; attempt++) {
      const move = solve(a, g, damping);
      const next = values.map((v, i) => v - Math.max(-0.5, Math.min(0.5, move[i]!)));
      const nr = residualsOf(next);
      const nc = cost(nr, next);
      if (nc < now) {
        improved = true;
        damping = Math.max(1e-4, damping / 3);
        gain = (now - nc) / now;
        values = next;
        r = nr;
        now = nc;
      } else damping *= 5;
    }
    if (!improved || gain < 1e-4) break;
  }
  return values.slice(0, parameters.length);
}

/** (A + damping · diag A) x = g, by Cholesky. */
function solve(a: readonly Float64Array[], g: Float64Array, damping: number): Float64Array {
  const n = g.length;
  const l = a.map((row, i) => {
    const copy = Float64Array.from(row);
    copy[i]! += damping * row[i]!;
    return copy;
  });
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = l[i]![j]!;
      for (let k = 0; k < j; k++) sum -= l[i]![k]! * l[j]![k]!;
      l[i]![j] = i === j ? Math.sqrt(Math.max(sum, 1e-12)) : sum / l[j]![j]!;
    }
  }
  const x = Float64Array.from(g);
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) x[i]! -= l[i]![k]! * x[k]!;
    x[i]! /= l[i]![i]!;
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) x[i]! -= l[k]![i]! * x[k]!;
    x[i]! /= l[i]![i]!;
  }
  return x;
}
