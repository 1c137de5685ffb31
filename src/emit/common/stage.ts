/** A stage of a plan with everything it names looked up, and lengths in steps: what targets and engines read. */
import type {
  Adapter,
  Cluster,
  Dataset,
  Interval,
  Mix,
  ModelSpec,
  Optimizer,
  Precision,
  Reward,
  Stage,
  Tokenizer,
} from "../../checker/pipeline.js";
import type { Instance } from "../../hardware/types.js";
import type { Plan, StagePlan } from "../../planner/plan.js";
import { slug } from "./names.js";
import { instanceOf, vendorOf } from "./node.js";

export interface StageView {
  readonly plan: Plan;
  readonly index: number;
  readonly stage: StagePlan;
  readonly spec: Stage;
  readonly model: ModelSpec;
  readonly teacher?: ModelSpec;
  readonly adapter?: Adapter;
  readonly precision: Precision;
  readonly cluster: Cluster;
  readonly mix: Mix;
  readonly optimizer: Optimizer;
  readonly datasets: readonly Dataset[];
  readonly tokenizer?: Tokenizer;
  readonly rewards: readonly Reward[];
  readonly instance: Instance | undefined;
  /** Devices of one instance; at least 1. */
  readonly devicesPerNode: number;
  readonly nodes: number;
  /** Optimizer steps of learning-rate warm-up, between saves, between evaluations. */
  readonly warmupSteps: number;
  readonly saveSteps: number | undefined;
  readonly evaluateSteps: number | undefined;
  readonly tokensPerStep: number;
  /** Folder of the stage in the emitted tree. */
  readonly folder: string;
  /** At most 63 characters, letters, digits and dashes. */
  readonly jobName: string;
}

function steps(interval: Interval | undefined, tokensPerStep: number, stepSeconds: number): number | undefined {
  if (interval === undefined) return undefined;
  if (interval.unit === "steps") return Math.max(0, Math.round(interval.amount));
  const per = interval.unit === "tokens" ? tokensPerStep : stepSeconds;
  return Math.max(1, Math.round(interval.amount / Math.max(per, 1e-9)));
}

const stem = (path: string): string => (path.split("/").pop() ?? "").replace(/(\.plan)?\.(llmp|json)$/, "");

/** An option of the objective as written in the file, or undefined. */
export const option = (view: StageView, name: string): number | string | boolean | readonly string[] | undefined =>
  view.spec.objective.options[name]?.value;

export function numberOption(view: StageView, name: string, otherwise: number): number {
  const value = option(view, name);
  return typeof value === "number" ? value : otherwise;
}

export function stringOption(view: StageView, name: string): string | undefined {
  const value = option(view, name);
  return typeof value === "string" ? value : undefined;
}

function listOption(spec: Stage, name: string): readonly string[] {
  const value = spec.objective.options[name]?.value;
  if (typeof value === "string") return [value];
  return Array.isArray(value) ? (value as readonly string[]) : [];
}

const need = <T>(value: T | undefined, what: string): T => {
  if (value === undefined) throw new Error(`the plan names ${what}, which its pipeline lacks`);
  return value;
};

/** A name of a model, or of a stage: then the model that it trains. */
function modelOf(plan: Plan, name: string): ModelSpec | undefined {
  const { models, stages } = plan.pipeline;
  return models[name] ?? models[stages.find((s) => s.name === name)?.model.value ?? ""];
}

/** Throws where the plan contradicts its own pipeline: our bug, since a plan file is checked for it when it is read. */
export function viewStage(plan: Plan, index: number): StageView {
  const { pipeline } = plan;
  const stage = need(plan.stages[index], `stage ${index}`);
  const spec = need(
    pipeline.stages.find((s) => s.name === stage.name),
    `stage ${stage.name}`,
  );
  const cluster = need(pipeline.clusters[spec.on.value], `cluster ${spec.on.value}`);
  const mix = need(pipeline.mixes[spec.data.value], `mix ${spec.data.value}`);
  const used = [...new Set(mix.phases.flatMap((phase) => Object.keys(phase.weights)))];
  const teacher = spec.objective.options.teacher?.value;
  const adapter = spec.adapter === undefined ? undefined : pipeline.adapters[spec.adapter.value];
  const tokenizer = spec.tokenizer === undefined ? undefined : pipeline.tokenizers[spec.tokenizer.value];
  const tokensPerStep = stage.global_batch * stage.context_length;
  const seconds = stage.time.step_seconds;
  const nodes = Math.max(1, stage.cluster.count);
  return {
    plan,
    index,
    stage,
    spec,
    model: need(pipeline.models[spec.model.value], `model ${spec.model.value}`),
    ...(typeof teacher === "string" ? { teacher: need(modelOf(plan, teacher), `model ${teacher}`) } : {}),
    ...(adapter === undefined ? {} : { adapter }),
    precision: need(pipeline.precisions[stage.precision], `precision ${stage.precision}`),
    cluster,
    mix,
    optimizer: spec.optimizer.value,
    datasets: used.map((name) => need(pipeline.datasets[name], `dataset ${name}`)),
    ...(tokenizer === undefined ? {} : { tokenizer }),
    rewards: listOption(spec, "reward").map((name) => need(pipeline.rewards[name], `reward ${name}`)),
    instance: instanceOf(plan, stage.cluster.instance),
    devicesPerNode: Math.max(1, Math.round(stage.cluster.accelerators / nodes)),
    nodes,
    warmupSteps: steps(spec.optimizer.value.schedule.warmup, tokensPerStep, seconds) ?? 0,
    saveSteps: steps(spec.save?.value, tokensPerStep, seconds),
    evaluateSteps: steps(spec.evaluate?.value, tokensPerStep, seconds),
    tokensPerStep,
    folder: plan.stages.length === 1 ? "" : `${String(index + 1).padStart(2, "0")}-${stage.name}/`,
    jobName: slug([stem(plan.source), stage.name, plan.hash.replace(/[^0-9a-f]/g, "").slice(0, 8)], 63),
  };
}

/** The plan's devices are this machine's processors. */
export const onCpu = (view: StageView): boolean =>
  vendorOf(view.plan, view.instance, view.stage.cluster.accelerator) === "cpu";

/** The plan of the stage that this one starts from, where the plan has it. */
export const previousStage = (view: StageView): StageView | undefined => {
  const at = view.plan.stages.findIndex((s) => s.name === view.spec.startsFrom);
  return at < 0 ? undefined : viewStage(view.plan, at);
};

/** The stages of a plan, in order. */
export const viewStages = (plan: Plan): StageView[] => plan.stages.map((_, index) => viewStage(plan, index));
