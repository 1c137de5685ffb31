/** All engines: what each can do (`capabilities/`) joined with how fast its software stack is (`stacks/`). */
import type { EngineDescriptor } from "../types.js";
import { fastLlm } from "./capabilities/fast-llm.js";
import { llmp } from "./capabilities/llmp.js";
import { megatron } from "./capabilities/megatron.js";
import { nxd } from "./capabilities/nxd.js";
import type { EngineProfile } from "./capabilities/profile.js";
import { smp } from "./capabilities/smp.js";
import { torchtitan } from "./capabilities/torchtitan.js";
import { trl } from "./capabilities/trl.js";
import { verl } from "./capabilities/verl.js";
import { neutral } from "./neutral.js";
import { stacks } from "./stacks/index.js";

export { type FittedTraits, type StackHints, stackOf, stacks, statedStacks, withFitted } from "./stacks/index.js";

/** Explicit, in order of preference where several can do a stage (see `defaultEngines`). */
export const engineProfiles: readonly EngineProfile[] = [llmp, megatron, torchtitan, trl, fastLlm, nxd, verl, smp];

export const engines: readonly EngineDescriptor[] = engineProfiles.map(({ name, doc, versions, aliases, can }) => ({
  name,
  doc,
  versions,
  aliases,
  stack: stacks[name] ?? neutral,
  can,
}));

const byNameOrAlias = new Map<string, EngineDescriptor>();
for (const engine of engines) for (const key of [engine.name, ...engine.aliases]) byNameOrAlias.set(key, engine);

/** By name or by another spelling found in published runs. */
export const engineByName = (name: string): EngineDescriptor | undefined => byNameOrAlias.get(name.toLowerCase());

/** What the default choice of an engine looks at. Absent traits do not restrict. */
export interface EngineTraits {
  readonly provider: string;
  readonly vendor: string;
  readonly objective: string;
  readonly architecture?: string;
  /** lora, qlora. */
  readonly adapter?: string;
  /** Compute dtype: bf16, fp8… */
  readonly precision?: string;
  readonly optimizer?: string;
  /** Degrees above 1 that the file asks for. */
  readonly axes?: readonly ("tensor" | "sequence" | "pipeline" | "context" | "expert")[];
  readonly shard?: string;
  /** The data mix changes during training. */
  readonly mixSchedule?: boolean;
  /** What it asks for besides: looked up in `lacks`. */
  readonly features?: readonly string[];
}

/** Why this engine cannot run a stage: `[key, reason]`, empty where it can. The reasons carry their source. */
export function engineObjections(engine: EngineDescriptor, traits: EngineTraits): (readonly [string, string])[] {
  const { can } = engine;
  const objections: (readonly [string, string])[] = [];
  const ask = (key: string, value: string | undefined, allowed: readonly string[] | "all" | undefined): void => {
    if (value === undefined || allowed === undefined || allowed === "all" || allowed.includes(value)) return;
    const reason = can.because[`${key}.${value}`] ?? can.because[value] ?? can.because[key];
    objections.push([`${key}.${value}`, reason ?? `${engine.name} has no ${value}`]);
  };
  ask("providers", traits.provider, can.providers);
  ask("vendors", traits.vendor, can.vendors);
  ask("objectives", traits.objective, can.objectives);
  ask("adapters", traits.adapter, can.adapters);
  ask("precisions", traits.precision, can.precisions);
  ask("optimizers", traits.optimizer, can.optimizers);
  ask("architectures", traits.architecture, can.architectures);
  ask("shards", traits.shard, can.shards);
  for (const axis of traits.axes ?? []) {
    if (!can[axis]) objections.push([axis, can.because[axis] ?? `${engine.name} has no ${axis} parallelism`]);
  }
  if (traits.mixSchedule === true && can.mixSchedule === "none") {
    objections.push(["mixSchedule", can.because.mixSchedule ?? `${engine.name} has one mix for the whole run`]);
  }
  for (const feature of traits.features ?? []) {
    if (can.lacks?.includes(feature) === true)
      objections.push([
        feature,
        can.because[feature] ?? can.because[feature.split(".")[0] ?? ""] ?? `${engine.name} has no ${feature}`,
      ]);
  }
  return objections;
}

/**
 * Engines that can run the stage, preferred first. Our own runtime leads on this machine; elsewhere pre-training prefers
 * Megatron, then torchtitan; everything that TRL does (SFT, adapters, preferences, RL, distillation) prefers TRL. Legacy
 * and untried engines (`smp`, `verl`) come last: they are chosen only by name or where nothing else can.
 */
export function defaultEngines(traits: EngineTraits): string[] {
  return engines.filter((engine) => engineObjections(engine, traits).length === 0).map((engine) => engine.name);
}
