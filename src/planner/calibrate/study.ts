/** The fit of everything, and the same fit with each publisher left out in turn. Run by `bench/fit.mjs`. */
import { statedStacks } from "../../catalog/engines/index.js";
import { believed } from "./calibrate.js";
import stated from "./data/stated.json" with { type: "json" };
import { fitConstants, predictAll, type Sample, weigh } from "./fit.js";
import { lacks, type Prepared, prepare } from "./job-of-run.js";
import { type Parameter, parametersOf } from "./parameters.js";
import { measuredSeconds, type Run } from "./run.js";

export interface StudyOptions {
  readonly leaveOut: boolean;
  readonly log: (text: string) => void;
}

const round = (x: number): number => Number(x.toPrecision(4));

export function study(runs: readonly Run[], options: StudyOptions) {
  const rows = runs.flatMap((run) => {
    const seconds = measuredSeconds(run);
    return seconds === undefined || lacks(run) !== undefined ? [] : [{ prepared: stock(prepare(run)), seconds }];
  });
  const samples = weigh(rows);
  const base = stated.constants;
  const parameters = parametersOf(base, new Set(rows.map((r) => r.prepared.stack)));
  const values = fitConstants(samples, parameters, base, 14);
  const inside = errors(samples, predictAll(samples, parameters, values, base));
  options.log(`fitted ${parameters.length} constants on ${samples.length} runs`);
  const outside = options.leaveOut ? leaveOneOut(samples, parameters, options.log) : undefined;
  const fittedOn = `${samples.length} published runs (runs.jsonl), bench/fit.mjs`;
  return {
    table: table(samples, inside, outside),
    ...(outside === undefined ? {} : { summary: summaryOf(samples, outside) }),
    physics: {
      fittedOn,
      constants: {
        ...base,
        ...Object.fromEntries(named(parameters, values, "physics.").map(([k, v]) => [k, round(v)])),
      },
    },
    stacks: { fittedOn, stacks: stacksOf(parameters, values) },
    ...(outside === undefined ? {} : { residuals: residualsOf(samples, inside, outside, fittedOn) }),
  };
}

/** With the stack's stated traits, not with those of an earlier fit. */
function stock(p: Prepared): Prepared {
  const own = statedStacks[p.stack];
  return own === undefined ? p : { ...p, traits: { ...own, attention: p.traits.attention } };
}

function named(parameters: readonly Parameter[], values: readonly number[], prefix: string): [string, number][] {
  return parameters.flatMap((p, i): [string, number][] =>
    p.name.startsWith(prefix) ? [[p.name.slice(prefix.length), p.start * Math.exp(values[i]!)]] : [],
  );
}

function stacksOf(parameters: readonly Parameter[], values: readonly number[]) {
  const stacks: Record<string, Record<string, number>> = {};
  for (const [name, value] of named(parameters, values, "stack.")) {
    const [stack, key] = name.split(".") as [string, string];
    stacks[stack] = { ...stacks[stack], [key]: round(value) };
  }
  return stacks;
}

const errors = (samples: readonly Sample[], predicted: readonly number[]): number[] =>
  samples.map((s, i) => predicted[i]! / s.seconds - 1);

/** A publisher: all tables of one repository or paper. */
export const publisherOf = (p: Prepared): string =>
  (p.run.source ?? "?").split(/[ @]/)[0]!.split("/").slice(0, 2).join("/");

function leaveOneOut(
  samples: readonly Sample[],
  parameters: readonly Parameter[],
  log: (text: string) => void,
): number[] {
  const found = new Array<number>(samples.length);
  const publishers = [...new Set(samples.map((s) => publisherOf(s.prepared)))];
  for (const publisher of publishers) {
    const rest = samples.filter((s) => publisherOf(s.prepared) !== publisher);
    // From the stated values, so that nothing of the full fit is in it.
    const values = fitConstants(rest, parameters, stated.constants, 8);
    const predicted = predictAll(samples, parameters, values, stated.constants);
    samples.forEach((s, i) => {
      if (publisherOf(s.prepared) === publisher) found[i] = predicted[i]! / s.seconds - 1;
    });
    log(`left out ${publisher}`);
  }
  return found;
}

/** Left out, with and without the pair that contradicts itself, and after calibration with each run of a table in turn. */
function summaryOf(samples: readonly Sample[], outside: readonly number[]): string {
  const off = outside.map((e) => -Math.log1p(e));
  const tables = new Map<string, number[]>();
  samples.forEach((s, i) => {
    const key = `${publisherOf(s.prepared)} ${s.prepared.stack} ${s.prepared.machine.name}`;
    tables.set(key, [...(tables.get(key) ?? []), i]);
  });
  const line = (name: string, list: readonly number[]): string =>
    `${name}: median ${percent(quantile(list, 0.5))}, p90 ${percent(quantile(list, 0.9))} (${list.length})`;
  const without = (publisher: RegExp) => (i: number) => !publisher.test(publisherOf(samples[i]!.prepared));
  const all = samples.map((_, i) => i);
  const some = all.filter(without(/vTrain|bigscience/));
  const absolute = (list: readonly number[]): number[] => list.map((i) => Math.abs(outside[i]!));
  const calibrated: number[] = [];
  for (const rows of tables.values())
    for (const one of rows) {
      // At most forty others for each: large tables would be all that counts.
      const step = Math.max(1, Math.floor(rows.length / 40));
      const shift = believed([off[one]!]);
      for (const [at, i] of rows.entries())
        if (i !== one && at % step === 0) calibrated.push(Math.abs(Math.expm1(shift - off[i]!)));
    }
  return [
    line("left out, all", absolute(all)),
    line("left out, without Megatron-DeepSpeed of 2022", absolute(some)),
    line("left out, then one run of the table", calibrated),
  ].join("\n");
}

const quantile = (list: readonly number[], q: number): number => {
  const sorted = [...list].sort((a, b) => a - b);
  const x = q * (sorted.length - 1);
  const i = Math.floor(x);
  return sorted[i]! + ((sorted[i + 1] ?? sorted[i]!) - sorted[i]!) * (x - i);
};
const percent = (x: number): string => (100 * x).toFixed(1);

function table(samples: readonly Sample[], inside: readonly number[], outside: readonly number[] | undefined): string {
  const groups = new Map<string, number[]>();
  samples.forEach((s, i) => {
    const key = `${publisherOf(s.prepared)} | ${s.prepared.stack} | ${s.prepared.machine.name}`;
    groups.set(key, [...(groups.get(key) ?? []), i]);
  });
  const line = (name: string, list: readonly number[]): string => {
    const abs = (of: readonly number[]): number[] => list.map((i) => Math.abs(of[i]!));
    const out =
      outside === undefined
        ? " – | – | –"
        : ` ${percent(
            quantile(
              list.map((i) => outside[i]!),
              0.5,
            ),
          )} | ${percent(quantile(abs(outside), 0.5))} | ${percent(quantile(abs(outside), 0.9))}`;
    return `| ${name} | ${list.length} | ${percent(quantile(abs(inside), 0.5))} | ${percent(quantile(abs(inside), 0.9))} |${out} |`;
  };
  return [
    "| publisher | stack | GPU | runs | fitted: median % | p90 % | left out: bias % | median % | p90 % |",
    "|---|---|---|---|---|---|---|---|---|",
    ...[...groups].sort().map(([name, list]) => line(name, list)),
    line(
      "all | | ",
      samples.map((_, i) => i),
    ),
  ].join("\n");
}

/** Residuals by stack, fitted and left out: what intervals are drawn from. */
function residualsOf(
  samples: readonly Sample[],
  inside: readonly number[],
  outside: readonly number[],
  fittedOn: string,
) {
  const of = (errors: readonly number[]) => {
    const stacks: Record<string, number[]> = {};
    samples.forEach((s, i) => {
      stacks[s.prepared.stack] = [...(stacks[s.prepared.stack] ?? []), errors[i]!];
    });
    return Object.fromEntries(
      Object.entries(stacks).map(([name, list]) => [
        name,
        {
          rows: list.length,
          low: round(quantile(list, 0.1)),
          median: round(quantile(list, 0.5)),
          high: round(quantile(list, 0.9)),
        },
      ]),
    );
  };
  return { fittedOn, fitted: of(inside), leftOut: of(outside) };
}
