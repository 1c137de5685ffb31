/** The fit of everything, and the same fit with each publisher left out in turn. Run by `bench/fit.mjs`. */
import { statedStacks } from "../../catalog/engines/index.js";
import stated from "./data/stated.json" with { type: "json" };
import { held, type Judged, quantile, summaryOf, tableOf } from "./evaluation.js";
import { fitConstants, predictAll, type Sample, weigh } from "./fit.js";
import { lacks, type Prepared, prepare, toldOf } from "./job-of-run.js";
import { type Parameter, parametersOf } from "./parameters.js";
import { measuredSeconds, type Run } from "./run.js";
import { timeSpread } from "./spread.js";

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
  const judged = samples.map(
    ({ prepared: p }, i): Judged => ({
      publisher: publisherOf(p),
      stack: p.stack,
      accelerator: p.machine.name,
      fitted: inside[i]!,
      ...(outside === undefined ? {} : { leftOut: outside[i]! }),
      half: timeSpread(p).half,
    }),
  );
  return {
    table: tableOf(judged),
    summary: summaryOf(judged),
    physics: {
      fittedOn,
      constants: {
        ...base,
        ...Object.fromEntries(named(parameters, values, "physics.").map(([k, v]) => [k, round(v)])),
      },
    },
    stacks: { fittedOn, stacks: stacksOf(parameters, values) },
    ...(outside === undefined
      ? {}
      : { residuals: { ...residualsOf(samples, inside, outside, fittedOn), held: held(judged) } }),
  };
}

/** With the stack's stated traits, not with those of an earlier fit. */
function stock(p: Prepared): Prepared {
  const own = statedStacks[p.stack];
  return own === undefined ? p : { ...p, traits: toldOf(p.run.notes ?? "", { ...own, attention: p.traits.attention }) };
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
