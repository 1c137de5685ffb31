/** What is to be decided for one stage: the model, the machines that the file allows, engines, precisions, lengths. */
import { type EngineTraits, engineByName, engineObjections, engines, objectiveByName } from "../../catalog/index.js";
import type { EngineDescriptor } from "../../catalog/types.js";
import type {
  Cluster,
  ModelSpec,
  ParallelSettings,
  Pipeline,
  Precision,
  Pricing,
  Stage,
} from "../../checker/pipeline.js";
import { type Diagnostic, planCodes } from "../../diagnostics/index.js";
import type { Accelerator, Hardware } from "../../hardware/types.js";
import type { ModelGraph } from "../../model/graph.js";
import { type Degrees, eightBits, layoutRefusal, numericsOf } from "../../program/index.js";
import type { PlanOptions, StageContext } from "../types.js";
import { stageFeatures } from "./features.js";
import { type Machine, type Team, teamsHere } from "./here.js";
import { allowed, counts, fixedValue } from "./space.js";

export type BuildModel = (
  pipeline: Pipeline,
  modelName: string,
  options?: { adapter?: string; freeze?: readonly string[] },
) => ModelGraph;

/** One choice of everything but the layout. */
export interface Configuration {
  readonly context: StageContext;
  readonly count: number;
  readonly devices: number;
  readonly contextLength: number;
  readonly globalBatch: number;
  readonly steps: number;
  /** What the search may choose among on these machines: the stage's, or less. */
  readonly parallel: ParallelSettings;
}

export interface StageProblem {
  readonly pipeline: Pipeline;
  readonly stage: Stage;
  readonly cluster: Cluster;
  readonly hardware: Hardware;
  readonly policy: ModelGraph;
  readonly configurations: readonly Configuration[];
  readonly pricings: readonly Pricing[];
  readonly warnings: readonly string[];
  /** Reasons for engines, instances and precisions that were left out. */
  readonly left: readonly { readonly what: string; readonly why: string }[];
}

export interface ProblemResult {
  readonly problem?: StageProblem;
  readonly diagnostics: readonly Diagnostic[];
}

export function stageProblem(
  pipeline: Pipeline,
  stage: Stage,
  hardware: Hardware,
  build: BuildModel,
  options: PlanOptions,
): ProblemResult {
  const cluster = pipeline.clusters[stage.on.value]!;
  const objective = objectiveByName(stage.objective.kind)!;
  const spec = pipeline.models[stage.model.value]!;
  const policy = build(pipeline, stage.model.value, {
    ...(stage.adapter === undefined ? {} : { adapter: stage.adapter.value }),
    freeze: stage.freeze.value,
  });
  const passes = new Set(objective.passes.map((p) => p.model));
  const other = (role: "reference" | "teacher"): ModelGraph | undefined => {
    if (!passes.has(role)) return undefined;
    const named = stage.objective.options[role]?.value;
    const model = modelNamed(pipeline, typeof named === "string" ? named : stage.model.value);
    return build(pipeline, model, { freeze: ["*"] });
  };
  // A KL weight of zero needs no reference beside the policy.
  const reference = stage.objective.options.kl?.value === 0 ? undefined : other("reference");
  const teacher = other("teacher");
  const warnings: string[] = [];
  const left: { what: string; why: string }[] = [];
  const diagnostics: Diagnostic[] = [];
  const precisions = allowed(stage.precision, ["bf16"]).map((name) => pipeline.precisions[name]!);
  const machines = machinesOf(cluster, stage, hardware, options, left);
  const configurations: Configuration[] = [];
  const objections = new Map<string, string>();
  for (const { instance, accelerator, local, team } of machines) {
    for (const precision of precisions) {
      const fp8 = eightBits(numericsOf(precision.compute.value, precision.recipe.value));
      const { kind: optimizer } = stage.optimizer.value;
      const alone =
        team?.open === true && team.workers > 1 ? layoutRefusal(optimizer, fp8, policy, degrees(team)) : undefined;
      if (alone !== undefined) {
        left.push({ what: `${team!.workers} workers`, why: alone });
        warnings.push(`${stage.name}: more workers are not considered: ${alone}`);
        continue;
      }
      const compute = precision.compute.value;
      if ((compute === "fp8" || compute === "mxfp8") && accelerator.peakFlops[compute] === undefined) {
        left.push({ what: `${precision.name} on ${instance.name}`, why: `${accelerator.name} lacks ${compute}` });
        continue;
      }
      const chosen = enginesFor(pipeline, stage, cluster, accelerator, precision, spec, objections);
      for (const engine of chosen) {
        // Other engines have no workers on this machine.
        if (team?.open === true && team.workers > 1 && !onlyHere(engine, cluster)) continue;
        const context: StageContext = {
          pipeline,
          stage,
          precision,
          engine,
          hardware,
          instance,
          accelerator,
          policy,
          ...(reference === undefined ? {} : { reference }),
          ...(teacher === undefined ? {} : { teacher }),
          ...(options.calibration === undefined ? {} : { calibration: options.calibration }),
          ...(local === undefined ? {} : { local }),
        };
        for (const contextLength of allowed(stage.contextLength, [spec.contextLength.value])) {
          const globalBatch = sequencesPerStep(stage, contextLength, warnings);
          if (team?.open === true && globalBatch % (fixedValue(team.parallel.data) ?? 1) !== 0) continue;
          const steps = stepsOf(pipeline, stage, globalBatch * contextLength, warnings);
          for (const count of counts(cluster.count)) {
            const devices = count * instance.accelerators;
            const parallel = team?.parallel ?? stage.parallel;
            configurations.push({ context, count, devices, contextLength, globalBatch, steps, parallel });
          }
        }
      }
    }
  }
  if (configurations.length === 0) {
    const hints = [...objections].map(([engine, why]) => `${engine}: ${why}`).slice(0, 8);
    const span = stage.engine.span ?? stage.span;
    const machineHints = left.map((l) => `${l.what}: ${l.why}`);
    diagnostics.push(planCodes.report("LLMP4001", span, { stage: stage.name }, { hints: [...machineHints, ...hints] }));
    return { diagnostics };
  }
  const pricings = allowed(cluster.pricing, ["on_demand"] as Pricing[]);
  return {
    problem: {
      pipeline,
      stage,
      cluster,
      hardware,
      policy,
      configurations,
      pricings,
      warnings: [...new Set(warnings)],
      left,
    },
    diagnostics,
  };
}

/** A model, or the model that another stage trains. */
function modelNamed(pipeline: Pipeline, name: string): string {
  if (pipeline.models[name] !== undefined) return name;
  return pipeline.stages.find((s) => s.name === name)?.model.value ?? name;
}

/** Instances that the file allows; `auto`: all that the hardware data has a price for, of the provider's spelling. */
function machinesOf(
  cluster: Cluster,
  stage: Stage,
  hardware: Hardware,
  options: PlanOptions,
  left: { what: string; why: string }[],
): Machine[] {
  const provider = cluster.provider.value;
  const managed = provider === "sagemaker" || provider === "hyperpod";
  const known = Object.keys(hardware.instances).filter((name) => name.startsWith("ml.") === managed);
  return allowed(cluster.instance, known).flatMap((name) => {
    const instance = hardware.instances[name];
    if (instance === undefined) {
      if (provider === "local") return teamsHere(cluster, stage, options);
      left.push({ what: name, why: "no such instance in the hardware data" });
      return [];
    }
    const accelerator = hardware.accelerators[instance.accelerator];
    if (accelerator === undefined) {
      left.push({ what: name, why: `its accelerator ${instance.accelerator} is not in the hardware data` });
      return [];
    }
    return [{ instance, accelerator }];
  });
}

const onlyHere = ({ can }: EngineDescriptor, cluster: Cluster): boolean =>
  can.providers?.length === 1 && can.providers[0] === cluster.provider.value;

/** Untried or legacy engines (the end of the catalog's list) count only where nothing else can, or by name. */
const lastResort = new Set(["smp", "verl"]);

function enginesFor(
  pipeline: Pipeline,
  stage: Stage,
  cluster: Cluster,
  accelerator: Accelerator,
  precision: Precision,
  spec: ModelSpec,
  objections: Map<string, string>,
): readonly EngineDescriptor[] {
  const p = stage.parallel;
  const axes = (["tensor", "pipeline", "context", "expert"] as const).filter((a) => (fixedValue(p[a]) ?? 1) > 1);
  const shard = fixedValue(p.shard);
  const adapter = stage.adapter === undefined ? undefined : pipeline.adapters[stage.adapter.value]?.kind.value;
  const traits: EngineTraits = {
    provider: cluster.provider.value,
    vendor: accelerator.vendor,
    objective: stage.objective.kind,
    architecture: spec.architecture.value,
    ...(adapter === undefined ? {} : { adapter }),
    precision: precision.compute.value,
    optimizer: stage.optimizer.value.kind,
    axes,
    ...(shard === undefined ? {} : { shard }),
    mixSchedule: (pipeline.mixes[stage.data.value]?.phases.length ?? 1) > 1,
    features: stageFeatures(pipeline, stage, spec, precision),
  };
  const named = stage.engine.value.kind === "auto" ? undefined : allowed(stage.engine, [] as string[]);
  const candidates = named === undefined ? engines : named.flatMap((n) => engineByName(n) ?? []);
  const able = candidates.filter((engine) => {
    const why = engineObjections(engine, traits);
    const recompute = fixedValue(stage.recompute);
    if (recompute !== undefined && ![recompute.kind, "perLayer"].some((k) => engine.can.recompute.includes(k as never)))
      why.push([`recompute.${recompute.kind}`, `${engine.name} cannot recompute this way`]);
    if (why.length > 0) objections.set(engine.name, why.map(([, reason]) => reason).join("; "));
    return why.length === 0;
  });
  if (named !== undefined) return able;
  // On this machine our own runtime needs no installation.
  const own = able.filter((e) => onlyHere(e, cluster));
  if (own.length > 0) return own.slice(0, 1);
  const tried = able.filter((e) => !lastResort.has(e.name));
  return tried.length > 0 ? tried : able;
}

/**
 * Sequences of an optimizer step. A batch in tokens that is no whole number of sequences is rounded, by at most 5%, to the
 * number that divides best.
 */
export function sequencesPerStep(stage: Stage, contextLength: number, warnings: string[] = []): number {
  const batch = stage.batch.value;
  if (batch.unit === "sequences") return Math.max(1, Math.round(batch.amount));
  const exact = batch.amount / contextLength;
  if (Number.isInteger(exact)) return exact;
  let best = Math.max(1, Math.round(exact));
  let power = 0;
  for (let unit = 1; unit <= exact * 1.05; unit *= 2) {
    const rounded = Math.max(unit, Math.round(exact / unit) * unit);
    if (Math.abs(rounded / exact - 1) <= 0.05 && unit > power) {
      best = rounded;
      power = unit;
    }
  }
  warnings.push(
    `${stage.name}: a batch of ${batch.amount} tokens is ${exact.toFixed(1)} sequences of ${contextLength}; planned with ${best} (${best * contextLength} tokens)`,
  );
  return best;
}

function stepsOf(pipeline: Pipeline, stage: Stage, tokensPerStep: number, warnings: string[]): number {
  const length = stage.length.value;
  if (length.unit === "steps") return Math.max(1, Math.round(length.amount));
  if (length.unit === "tokens") return Math.max(1, Math.ceil(length.amount / tokensPerStep));
  const mix = pipeline.mixes[stage.data.value];
  const names = [...new Set((mix?.phases ?? []).flatMap((p) => Object.keys(p.weights)))];
  const tokens = names.map((n) => pipeline.datasets[n]?.tokens?.value);
  const known = tokens.reduce((sum: number, t) => sum + (t ?? 0), 0);
  if (tokens.some((t) => t === undefined)) {
    warnings.push(
      `${stage.name}: the size of ${names.filter((_, i) => tokens[i] === undefined).join(", ")} is not known, so time and cost count ${known === 0 ? "one step" : "the rest"} only; state \`tokens\` in the dataset`,
    );
  }
  return Math.max(1, Math.ceil((known * length.amount) / tokensPerStep));
}

function degrees({ parallel: p }: Team): Degrees {
  return {
    tensor: fixedValue(p.tensor) ?? 1,
    context: fixedValue(p.context) ?? 1,
    shard: fixedValue(p.shard) ?? "none",
  };
}
