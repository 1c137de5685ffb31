/** Why each choice is what it is, from what the search saw of every other value. */
import type { Setting } from "../../checker/pipeline.js";
import { formatBytes, formatNumber, formatPercent, formatSeconds, formatUsd } from "../../units/index.js";
import type { DecisionRecord } from "../plan.js";
import { summarise } from "../recompute/modes.js";
import type { AxisRecord } from "../search/axes.js";
import type { StageProblem } from "../search/problem.js";
import type { Choice, SearchResult } from "../search/solve.js";
import { fixedValue, isFixed } from "../search/space.js";
import { capacityOf, offersOf } from "../search/terms.js";

export function decisions(problem: StageProblem, result: SearchResult, choice: Choice): DecisionRecord[] {
  const { stage, cluster } = problem;
  const p = choice.candidate.parallel;
  const records: DecisionRecord[] = [];
  const add = (
    what: string,
    chose: string,
    over: readonly string[],
    because: string,
    fixed: boolean,
    figures: DecisionRecord["figures"] = [],
  ): void => {
    records.push({ what, chose, over, because, figures, fixed });
  };
  machines(problem, result, choice, add);
  axis(problem, result, choice, "tensor", p.tensor, stage.parallel.tensor, add);
  axis(problem, result, choice, "pipeline", p.pipeline, stage.parallel.pipeline, add);
  axis(problem, result, choice, "context", p.context, stage.parallel.context, add);
  if (problem.pipeline.models[stage.model.value]?.moe !== undefined)
    axis(problem, result, choice, "expert", p.expert, stage.parallel.expert, add);
  data(problem, result, choice, add);
  axis(problem, result, choice, "shard", p.shard, stage.parallel.shard, add);
  axis(problem, result, choice, "micro_batch", p.micro_batch, stage.parallel.microBatch, add);
  if (p.pipeline > 1) {
    axis(problem, result, choice, "schedule", p.schedule, stage.parallel.schedule, add);
    axis(problem, result, choice, "virtual", p.virtual, stage.parallel.virtual, add);
  }
  const { contextLength } = choice.configuration;
  const lengths = [...new Set(problem.configurations.map((c) => c.contextLength))].filter((n) => n !== contextLength);
  if (lengths.length > 0)
    add(
      "context_length",
      formatNumber(contextLength, 9),
      lengths.map((n) => formatNumber(n, 9)),
      leads(problem, result, choice, (c) => `${formatNumber(c.contextLength, 9)} tokens`),
      false,
    );
  const fixedRecompute = isFixed(stage.recompute);
  const kept = summarise(choice.candidate.recompute);
  add(
    "recompute",
    kept,
    [],
    fixedRecompute
      ? fixedBy(stage.recompute)
      : kept === "none"
        ? "everything fits without"
        : `the least recomputation with which ${formatBytes(capacityOf(problem, choice.configuration))} suffices`,
    fixedRecompute,
    [{ name: "peak", value: formatBytes(choice.evaluation.peakBytes) }],
  );
  const { engine, precision } = choice.configuration.context;
  const engines = [...new Set(problem.configurations.map((c) => c.context.engine.name))].filter(
    (n) => n !== engine.name,
  );
  add(
    "engine",
    engine.name,
    engines,
    isFixed(stage.engine)
      ? fixedBy(stage.engine)
      : engines.length === 0
        ? "of the engines that were tried, the one that can run this stage here"
        : leads(problem, result, choice, (c) => c.context.engine.name),
    isFixed(stage.engine),
  );
  const precisions = [...new Set(problem.configurations.map((c) => c.context.precision.name))].filter(
    (n) => n !== precision.name,
  );
  add(
    "precision",
    precision.name,
    precisions,
    isFixed(stage.precision)
      ? fixedBy(stage.precision)
      : precisions.length === 0
        ? "the usual precision"
        : leads(problem, result, choice, (c) => c.context.precision.name),
    isFixed(stage.precision),
  );
  if (!isFixed(cluster.pricing)) {
    add(
      "cluster.pricing",
      choice.pricing,
      problem.pricings.filter((q) => q !== choice.pricing),
      paid(problem, result, choice),
      false,
    );
  }
  return records;
}

function data(problem: StageProblem, result: SearchResult, choice: Choice, add: Add): void {
  const setting = problem.stage.parallel.data;
  const degree = choice.candidate.parallel.data;
  const chosen = String(degree);
  if (isFixed(setting)) add("parallel.data", chosen, [], fixedBy(setting), true);
  // On this machine each number of workers is a configuration of its own.
  else if (isFixed(choice.configuration.parallel.data)) {
    const of = ({ parallel }: StageProblem["configurations"][number]): string => String(fixedValue(parallel.data));
    const others = [...new Set(problem.configurations.map(of))].filter((n) => n !== chosen);
    const because =
      others.length === 0
        ? "the only number of workers that the machine and the stage allow"
        : leads(problem, result, choice, (c) => `data ${of(c)}`);
    add("parallel.data", chosen, others, because, false);
  } else add("parallel.data", chosen, [], "the devices that the other axes leave", false);
}

/** The best that each rival on the same machines came to: evaluated, or at least bounded. Whole trainings, since steps differ in tokens. */
function leads(
  problem: StageProblem,
  result: SearchResult,
  choice: Choice,
  nameOf: (c: StageProblem["configurations"][number]) => string,
): string {
  const { configuration: own, stepSeconds } = choice;
  const rivals = new Map<string, { fastest: number; bound: number }>();
  for (const c of problem.configurations) {
    if (nameOf(c) === nameOf(own) || c.count !== own.count) continue;
    if (c.context.instance.name !== own.context.instance.name) continue;
    const best = rivals.get(nameOf(c)) ?? { fastest: Number.POSITIVE_INFINITY, bound: Number.POSITIVE_INFINITY };
    for (const r of result.axes(c).filter(({ axis }) => axis === "tensor")) {
      best.fastest = Math.min(best.fastest, r.fastest * c.steps);
      best.bound = Math.min(best.bound, r.bound * c.steps);
    }
    rivals.set(nameOf(c), best);
  }
  const told = [...rivals].map(([name, { fastest, bound }]) => {
    const least = Math.min(fastest, bound);
    if (!Number.isFinite(least)) return `${name} does not fit`;
    return `${name} takes ${fastest <= bound ? "" : "at least "}${formatSeconds(least)}`;
  });
  return told.length === 0
    ? "its best layout leads"
    : `all steps take ${formatSeconds(stepSeconds * own.steps)}; ${told.join(", ")}`;
}

/** What the other ways of paying for the same machines would come to, restarts counted. */
function paid(problem: StageProblem, result: SearchResult, choice: Choice): string {
  const { configuration, stepSeconds } = choice;
  const offers = offersOf(problem, configuration)(stepSeconds);
  const others = offers
    .filter((o) => o.pricing !== choice.pricing)
    .map((o) =>
      o.priced
        ? `${o.pricing.replace("_", " ")} ${formatUsd(o.money)} in ${formatSeconds(o.seconds)}`
        : `no price of ${o.pricing.replace("_", " ")} is known`,
    );
  const own = choice.priced ? `${formatUsd(choice.money)} in ${formatSeconds(choice.seconds)}` : "its price is unknown";
  const only = result.front.every((c) => c.pricing === choice.pricing) ? "better than the others: " : "";
  return `${only}${own}; ${others.join("; ")}`;
}

type Add = (
  what: string,
  chose: string,
  over: readonly string[],
  because: string,
  fixed: boolean,
  figures?: DecisionRecord["figures"],
) => void;

const fixedBy = (setting: Setting<unknown>): string =>
  setting.from === "default" ? "the default" : setting.from === "set" ? "set by --set" : "the file says so";

function machines(problem: StageProblem, result: SearchResult, choice: Choice, add: Add): void {
  const { cluster } = problem;
  const { count, context } = choice.configuration;
  const all = [...new Set(problem.configurations.map((c) => c.context.instance.name))];
  const rival = (differs: (c: Choice) => boolean): string | undefined => {
    const others = result.front.filter(differs);
    const near = others.reduce<Choice | undefined>(
      (a, b) =>
        a === undefined || Math.abs(b.seconds - choice.seconds) < Math.abs(a.seconds - choice.seconds) ? b : a,
      undefined,
    );
    if (near === undefined) return undefined;
    const money = near.priced ? `, ${formatUsd(near.money)}` : "";
    return `${near.configuration.count} × ${near.configuration.context.instance.name} takes ${formatSeconds(near.seconds)}${money}, not ${formatSeconds(choice.seconds)}${choice.priced ? `, ${formatUsd(choice.money)}` : ""}`;
  };
  add(
    "cluster.instance",
    context.instance.name,
    all.filter((n) => n !== context.instance.name),
    isFixed(cluster.instance) || all.length === 1
      ? fixedBy(cluster.instance)
      : (rival((c) => c.configuration.context.instance.name !== context.instance.name) ??
          "better in both time and money than the others"),
    isFixed(cluster.instance),
  );
  add(
    "cluster.count",
    String(count),
    isFixed(cluster.count)
      ? []
      : [...new Set(result.front.map((c) => String(c.configuration.count)))].filter((n) => n !== String(count)),
    isFixed(cluster.count)
      ? fixedBy(cluster.count)
      : (rival((c) => c.configuration.count !== count) ?? "the only count on the front of time and money"),
    isFixed(cluster.count),
  );
}

function axis(
  problem: StageProblem,
  result: SearchResult,
  choice: Choice,
  name: string,
  value: number | string,
  setting: Setting<unknown>,
  add: Add,
): void {
  const others = result.axes(choice.configuration).filter((r) => r.axis === name && r.value !== String(value));
  const key = `parallel.${name}`;
  const fixed = isFixed(setting);
  if (fixed) {
    add(key, String(value), [], fixedBy(setting), true);
    return;
  }
  const verdicts = others.map((r) => ({ r, text: verdict(problem, choice, r) }));
  const near = nearestTo(
    value,
    others.map((r) => r.value),
  );
  const told = verdicts.find((v) => v.r.value === near)?.text;
  add(
    key,
    String(value),
    others.map((r) => r.value),
    told === undefined
      ? others.length === 0
        ? "the only value that the model, the devices and the engine allow"
        : "no other value does better"
      : `${value} not ${near}: ${told}`,
    false,
    verdicts.map((v) => ({ name: v.r.value, value: v.text })),
  );
}

/** The neighbour that a person would ask about: half or double, else the first. */
function nearestTo(value: number | string, others: readonly string[]): string | undefined {
  if (typeof value === "string") return others[0];
  return [...others].sort(
    (a, b) => Math.abs(Math.log(Number(a) / value)) - Math.abs(Math.log(Number(b) / value)) || Number(a) - Number(b),
  )[0];
}

function verdict(problem: StageProblem, choice: Choice, r: AxisRecord): string {
  const capacity = capacityOf(problem, choice.configuration);
  const slower = (step: number): string =>
    `${formatSeconds(step)} (${step >= choice.stepSeconds ? "+" : ""}${formatPercent(step / choice.stepSeconds - 1, 2)})`;
  if (Number.isFinite(r.fastest)) return `the step takes ${slower(r.fastest)} at best`;
  if (Number.isFinite(r.bound)) return `no layout takes less than ${slower(r.bound)} a step`;
  if (Number.isFinite(r.smallestMisfit))
    return `the peak is at least ${formatBytes(r.smallestMisfit)} of ${formatBytes(capacity)}`;
  return "no layout is possible";
}
