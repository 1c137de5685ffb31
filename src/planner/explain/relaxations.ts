/** What would make the answer yes: nearest changes first, each with its figures and a flag to paste. */
import type { Pipeline, Setting, Stage } from "../../checker/pipeline.js";
import { type Hardware, mergeHardware } from "../../hardware/index.js";
import { formatBytes, formatSeconds, formatUsd } from "../../units/index.js";
import type { Relaxation } from "../plan.js";
import { affordable, combine } from "../search/budget.js";
import { stageProblem } from "../search/problem.js";
import { type Choice, search } from "../search/solve.js";
import { isFixed } from "../search/space.js";
import { unknownMoney } from "../search/terms.js";
import type { Searched, Tools } from "../search/tools.js";
import type { PlanOptions } from "../types.js";

interface Input {
  readonly pipeline: Pipeline;
  readonly hardware: Hardware;
  readonly tools: Tools;
  readonly options: PlanOptions;
  readonly searched: readonly Searched[];
  readonly choices: readonly Choice[];
}

interface Change {
  readonly kind: string;
  readonly change: string;
  readonly flag?: string;
  readonly pipeline: Pipeline;
}

const fixed = <T>(value: T): Setting<T> => ({ value: { kind: "fixed", value }, from: "set" });

export function relaxations(input: Input): Relaxation[] {
  const found: Relaxation[] = [];
  for (const [i, s] of input.searched.entries()) {
    const { stage } = s.problem;
    const bad = s.result.front.length === 0;
    const rest = restOf(input, i);
    const done = new Set<string>();
    for (const change of changes(input.pipeline, stage, s, bad)) {
      // Of one kind the nearest is enough.
      if (done.has(change.kind)) continue;
      const met = attempt(input, change, stage.name, rest);
      if (met === undefined) continue;
      found.push(told(stage.name, change, met));
      if (found.length >= 3) return [...found, ...budgets(input)];
      done.add(change.kind);
    }
  }
  found.push(...budgets(input));
  return found;
}

/** Time and money that the other stages take. */
function restOf({ choices }: Input, index: number): { seconds: number; money: number } {
  const others = choices.filter((_, i) => i !== index);
  return { seconds: others.reduce((n, c) => n + c.seconds, 0), money: others.reduce((n, c) => n + c.money, 0) };
}

function changes(pipeline: Pipeline, stage: Stage, s: Searched, bad: boolean): Change[] {
  const { cluster } = s.problem;
  const all: Change[] = [];
  const withStage = (change: string, flag: string | undefined, next: Partial<Stage>): void => {
    all.push({
      kind: Object.keys(next).join(),
      change,
      ...(flag === undefined ? {} : { flag }),
      pipeline: { ...pipeline, stages: pipeline.stages.map((x) => (x.name === stage.name ? { ...x, ...next } : x)) },
    });
  };
  if (bad && isFixed(stage.recompute) && stage.recompute.from !== "default") {
    withStage("recompute what is needed", `--set ${stage.name}.recompute=auto`, {
      recompute: { value: { kind: "auto" }, from: "set" },
    });
  }
  if (bad) {
    const open: Partial<Record<string, Setting<never>>> = {};
    const axes = Object.entries(stage.parallel).filter(([, v]) => isFixed(v) && v.from === "file");
    for (const [name] of axes) open[name] = { value: { kind: "auto" }, from: "set" };
    if (axes.length > 0)
      withStage(`leave ${axes.map(([n]) => n).join(", ")} to the planner`, `--set ${stage.name}.parallel=auto`, {
        parallel: { ...stage.parallel, ...open },
      });
  }
  if (cluster.provider.value !== "local") {
    const most = Math.max(...s.problem.configurations.map((c) => c.count));
    const fewest = Math.min(...s.problem.configurations.map((c) => c.count));
    const more = [1.5, 2, 3, 4, 6, 8, 16, 32].map((f) => most * f);
    // Fewer machines wait less for each other: dearer only in time.
    const fewer = bad || !isFixed(cluster.count) ? [] : [fewest / 2, fewest / 4];
    for (const count of [...more, ...fewer].filter((n) => Number.isInteger(n) && n >= 1)) {
      all.push({
        kind: "count",
        change: count === 1 ? `1 machine instead of ${most}` : `${count} machines instead of ${most}`,
        flag: `--set ${cluster.name}.count=${count}`,
        pipeline: {
          ...pipeline,
          clusters: { ...pipeline.clusters, [cluster.name]: { ...cluster, count: fixed(count) } },
        },
      });
    }
  }
  if (!bad && isFixed(cluster.pricing) && cluster.provider.value !== "local") {
    for (const pricing of ["spot", "on_demand"] as const) {
      if (s.problem.pricings.includes(pricing)) continue;
      all.push({
        kind: "pricing",
        change: `${pricing.replace("_", " ")} machines`,
        flag: `--set ${cluster.name}.pricing=${pricing}`,
        pipeline: {
          ...pipeline,
          clusters: { ...pipeline.clusters, [cluster.name]: { ...cluster, pricing: fixed(pricing) } },
        },
      });
    }
  }
  if (bad) {
    const context = s.problem.configurations[0]!.contextLength;
    for (const shorter of [context / 2, context / 4]) {
      if (!Number.isInteger(shorter) || shorter < 256) continue;
      withStage(
        `sequences of ${shorter} tokens instead of ${context}`,
        `--set ${stage.name}.context_length=${shorter}`,
        {
          contextLength: fixed(shorter),
        },
      );
    }
  }
  return all;
}

/** What a change leads to; within the budget, or with the one limit raised that it still misses. */
interface Met {
  readonly choice: Choice;
  readonly hours?: number;
  readonly dollars?: number;
}

function attempt(
  input: Input,
  change: Change,
  name: string,
  rest: { seconds: number; money: number },
): Met | undefined {
  const { pipeline } = change;
  const hardware = mergeHardware(input.hardware, pipeline.accelerators, pipeline.instances);
  const stage = pipeline.stages.find((s) => s.name === name)!;
  const { problem } = stageProblem(pipeline, stage, hardware, input.tools.build, input.options);
  if (problem === undefined) return undefined;
  const { front } = search(problem, input.tools.modelFor(problem.configurations[0]!.context), input.options.limit);
  const { time, cost } = pipeline.budget;
  const total = (c: { seconds: number; money: number }) => ({
    seconds: c.seconds + rest.seconds,
    money: c.money + rest.money,
  });
  const late = (c: { seconds: number }): boolean => time !== undefined && c.seconds > time.value;
  const dear = (c: { money: number }): boolean => !affordable(c, cost?.value);
  const fastest = [...front].sort((a, b) => a.seconds - b.seconds);
  const cheapest = [...front].sort((a, b) => a.money - b.money);
  const byGoal = pipeline.budget.minimize.value === "time" ? fastest : cheapest;
  const choice = byGoal.find((c) => !late(total(c)) && !dear(total(c)));
  if (choice !== undefined) return { choice };
  // Meets a limit that the plan as it is misses, though not the other.
  const now = {
    seconds: input.choices.reduce((n, c) => n + c.seconds, 0),
    money: input.choices.reduce((n, c) => n + c.money, 0),
  };
  const inTime = late(now) ? cheapest.find((c) => !late(total(c)) && c.money < unknownMoney) : undefined;
  if (inTime !== undefined) return { choice: inTime, dollars: Math.ceil(total(inTime).money) };
  const inMoney = dear(now) ? fastest.find((c) => !dear(total(c))) : undefined;
  if (inMoney !== undefined) return { choice: inMoney, hours: Math.ceil(total(inMoney).seconds / 3600) };
  return undefined;
}

const limits = (hours: number | undefined, dollars: number | undefined) => ({
  text: [hours === undefined ? "" : `${hours} hours`, dollars === undefined ? "" : formatUsd(dollars)]
    .filter((x) => x !== "")
    .join(" and "),
  flags: [
    ...(hours === undefined ? [] : [`--set budget.time=${hours}h`]),
    ...(dollars === undefined ? [] : [`--set 'budget.cost=$${dollars}'`]),
  ],
});

function told(stage: string, { change, flag }: Change, { choice: c, hours, dollars }: Met): Relaxation {
  const { text, flags } = limits(hours, dollars);
  const all = [...(flag === undefined ? [] : [flag]), ...flags];
  return {
    stage,
    change: text === "" ? change : `${change}, and a budget of ${text}`,
    ...(flag === undefined ? {} : { flag: all.join(" ") }),
    figures: [
      { name: "time", value: formatSeconds(c.seconds) },
      { name: "cost", value: c.priced ? formatUsd(c.money) : "price unknown" },
      { name: "peak", value: formatBytes(c.evaluation.peakBytes) },
    ],
  };
}

/** Or the budget itself: what it would have to be for this plan, and for the fastest and the cheapest there is. */
function budgets({ pipeline, choices, searched }: Input): Relaxation[] {
  if (searched.some((s) => s.result.front.length === 0)) return [];
  const { time, cost } = pipeline.budget;
  const all = combine(searched.map((s) => s.result.front)).filter((c) => cost === undefined || c.money < unknownMoney);
  const chosen = {
    seconds: choices.reduce((n, c) => n + c.seconds, 0),
    money: choices.reduce((n, c) => n + c.money, 0),
    choices,
  };
  // As it is; within the time for the least money; within the money for the least time.
  const inTime = time === undefined ? [] : all.filter((c) => c.seconds <= time.value);
  const inMoney = cost === undefined ? [] : all.filter((c) => affordable(c, cost.value));
  const wanted = [
    ...(cost !== undefined && chosen.money >= unknownMoney ? [] : [chosen]),
    ...inTime.sort((a, b) => a.money - b.money).slice(0, 1),
    ...inMoney.sort((a, b) => a.seconds - b.seconds).slice(0, 1),
  ];
  const told = wanted.flatMap((c) => {
    const late = time !== undefined && c.seconds > time.value;
    const dear = !affordable(c, cost?.value);
    if (!late && !dear) return [];
    const { text, flags } = limits(
      late ? Math.ceil(c.seconds / 3600) : undefined,
      dear ? Math.ceil(c.money) : undefined,
    );
    return [
      {
        stage: "budget",
        change: `a budget of ${text}`,
        flag: flags.join(" "),
        figures: [
          { name: "time", value: formatSeconds(c.seconds) },
          { name: "cost", value: c.money < unknownMoney ? formatUsd(c.money) : "price unknown" },
        ],
      },
    ];
  });
  return told.filter((r, i) => told.findIndex((o) => o.flag === r.flag) === i);
}
