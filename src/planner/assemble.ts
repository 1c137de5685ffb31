/** A chosen layout, evaluated in full and told in the words of plan.json. */
import type { Pricing } from "../checker/pipeline.js";
import { figuresOf } from "../model/index.js";
import { calendar, costPlan } from "./cost/index.js";
import { decisions } from "./explain/decisions.js";
import { confidence, spreadOf } from "./explain/interval.js";
import { meshOf, statePlacements, tensorPlacements } from "./layout/index.js";
import type { Alternative, ConfidenceInterval, StagePlan } from "./plan.js";
import { summarise } from "./recompute/modes.js";
import type { StageProblem } from "./search/problem.js";
import type { Choice, Found, SearchResult } from "./search/solve.js";
import { capacityOf, conditionsOf, priceOf, withSave } from "./search/terms.js";
import type { CostModel } from "./types.js";

export interface Assembly {
  readonly problem: StageProblem;
  readonly result: SearchResult;
  readonly choice: Choice;
  readonly model: CostModel;
  readonly seconds: number;
}

export function assemble({ problem, result, choice, model, seconds }: Assembly): StagePlan {
  const { configuration, candidate } = choice;
  const { context, count, devices, contextLength, globalBatch, steps } = configuration;
  const { stage, policy } = problem;
  const capacity = capacityOf(problem, configuration);
  const memory = model.memoryPlan(context, candidate);
  const time = model.timePlan(context, candidate);
  const phases = model.phasesPlan?.(context, candidate);
  const conditions = withSave(problem, conditionsOf(problem, configuration, choice.pricing), time.step_seconds);
  const price = priceOf(problem, context.instance.name, choice.pricing);
  const run = calendar(time.step_seconds * steps, conditions);
  const cost = costPlan(price, count, choice.pricing, conditions, run);
  const spread = spreadOf(context);
  const scale = (v: number, r: ConfidenceInterval): ConfidenceInterval => [v * r[0], v * r[1]];
  const totals = spread.time.map((r) => calendar(time.step_seconds * r * steps, conditions)) as [
    typeof run,
    typeof run,
  ];
  const usd = totals.map((g) => costPlan(price, count, choice.pricing, conditions, g).usd);
  const mesh = meshOf(candidate.parallel, context.instance, context.accelerator);
  return {
    name: stage.name,
    model: {
      name: stage.model.value,
      parameters: policy.parameters,
      active_parameters: policy.activeParameters,
      trainable_parameters: policy.trainableParameters,
      flops_per_token: figuresOf(problem.policy, contextLength).trainingFlops,
    },
    objective: stage.objective.kind,
    engine: context.engine.name,
    precision: context.precision.name,
    cluster: {
      name: problem.cluster.name,
      provider: problem.cluster.provider.value,
      instance: context.instance.name,
      count,
      accelerator: context.accelerator.name,
      accelerators: devices,
    },
    context_length: contextLength,
    global_batch: globalBatch,
    steps,
    tokens: steps * globalBatch * contextLength,
    parallel: candidate.parallel,
    recompute: {
      summary: summarise(candidate.recompute),
      layers: candidate.recompute,
      requested: stage.recompute.value.kind === "fixed" ? stage.recompute.value.value : "auto",
    },
    offload: candidate.offload,
    layout: {
      mesh,
      chunks: candidate.chunks,
      tensors: tensorPlacements(policy, candidate.parallel, context.precision),
      states: statePlacements(candidate.parallel),
    },
    memory: { ...memory, fits: memory.fits && memory.peak_bytes <= capacity },
    ...(phases === undefined ? {} : { phases }),
    time: { ...time, total_seconds: run.totalSeconds, goodput: run.goodput },
    cost,
    interval: {
      confidence,
      step_seconds: scale(time.step_seconds, spread.time),
      peak_bytes: scale(memory.peak_bytes, spread.memory),
      total_seconds: [totals[0].totalSeconds, totals[1].totalSeconds],
      usd: usd[0] === null || usd[1] === null ? null : [usd[0]!, usd[1]!],
      basis: spread.basis,
    },
    search: {
      considered: result.considered,
      evaluated: result.evaluated,
      pruned: result.pruned,
      reasons: [...result.reasons].map(([why, n]) => ({ why, count: n })).sort((a, b) => b.count - a.count),
      seconds,
      optimal: result.complete,
      proof: result.complete
        ? "under the cost model, every layout was evaluated or shown by a lower bound to be no better or not to fit"
        : (result.doubt ?? "not complete"),
    },
    decisions: decisions(problem, result, choice),
    alternatives: alternatives(problem, result, choice),
    pareto: result.front.map((c) => ({ ...alternative(problem, c.pricing, c), chosen: c === choice })),
  };
}

function alternative(problem: StageProblem, pricing: Pricing, solved: Found): Alternative {
  const { configuration } = solved;
  const step = solved.evaluation.stepSeconds;
  const conditions = withSave(problem, conditionsOf(problem, configuration, pricing), step);
  const price = priceOf(problem, configuration.context.instance.name, pricing);
  const run = calendar(step * configuration.steps, conditions);
  return {
    label: configuration.context.engine.name,
    instance: configuration.context.instance.name,
    count: configuration.count,
    pricing,
    parallel: solved.candidate.parallel,
    recompute: summarise(solved.candidate.recompute),
    step_seconds: step,
    total_seconds: run.totalSeconds,
    usd: costPlan(price, configuration.count, pricing, conditions, run).usd,
    peak_bytes: solved.evaluation.peakBytes,
  };
}

function alternatives(problem: StageProblem, result: SearchResult, choice: Choice): Alternative[] {
  return result
    .runnersUp(choice.configuration)
    .filter((s) => !same(s, choice))
    .slice(0, 5)
    .map((s) => alternative(problem, choice.pricing, s));
}

const same = (a: Found, b: Found): boolean =>
  a.configuration === b.configuration && JSON.stringify(a.candidate.parallel) === JSON.stringify(b.candidate.parallel);
