/** Adapters, precisions, rewards, clusters, hardware, the budget. */
import { precisionByName } from "../../catalog/index.js";
import { modelCodes, unitCodes } from "../../diagnostics/index.js";
import { clusterOptions } from "../../schema/index.js";
import { formatNumber } from "../../units/index.js";
import type { Context } from "../context.js";
import {
  boolOf,
  camel,
  fixedSetting,
  fixedValue,
  known,
  numberOf,
  numberSetting,
  present,
  textOf,
  textSetting,
  textsOf,
} from "../known.js";
import type {
  Adapter,
  Budget,
  Cluster,
  CustomAccelerator,
  Dtype,
  Known,
  MachineGroup,
  Network,
  Precision,
  Pricing,
  Provider,
  Reward,
} from "../pipeline.js";
import type { Declared } from "../scope.js";
import type { Fields, Read } from "../typed.js";

export function adapterOf(fields: Fields, { name, block }: Declared): Adapter | undefined {
  const kind = textOf<"lora" | "qlora">(fields, "kind");
  const [rank, alpha, dropout] = ["rank", "alpha", "dropout"].map((key) => numberOf(fields, key));
  const targets = textsOf(fields, "targets");
  if (!kind || !rank || !alpha || !dropout || !targets) return undefined;
  return present<Adapter>({ name, span: block.name?.span, kind, rank, alpha, dropout, targets });
}

/** A precision from its fields; what it does not set comes from the predefined one that it inherits from. */
export function precisionOf(
  fields: Fields,
  { name, block }: Declared,
  base: string | undefined,
): Precision | undefined {
  const preset = base === undefined ? undefined : precisionByName(base)?.values;
  const pick = <T extends string>(key: string): Known<T> | undefined => {
    const own = textOf<T>(fields, key);
    const initial = preset?.[key];
    if (initial === undefined || (own !== undefined && own.from !== "default")) return own;
    return known(initial as T, "inherited");
  };
  const [compute, weights, gradients, optimizerState, reduce] = [
    "compute",
    "weights",
    "gradients",
    "optimizer_state",
    "reduce",
  ].map((key) => pick<Dtype>(key));
  const masterWeights = pick<Dtype | "none">("master_weights");
  const recipe = pick<Precision["recipe"]["value"]>("recipe");
  const scale = fields.map.get("loss_scale");
  const lossScale =
    preset?.loss_scale !== undefined && (scale === undefined || scale.from === "default")
      ? known(preset.loss_scale as Precision["lossScale"]["value"], "inherited")
      : (numberOf(fields, "loss_scale") ?? pick<"none" | "dynamic">("loss_scale"));
  if (!compute || !weights || !gradients || !optimizerState || !reduce || !masterWeights || !recipe || !lossScale)
    return undefined;
  return present<Precision>({
    name,
    span: block.name?.span,
    compute,
    weights,
    gradients,
    masterWeights,
    optimizerState,
    reduce,
    lossScale,
    recipe,
  });
}

/** A predefined precision as the pipeline holds it. */
export function presetPrecision(name: string): Precision | undefined {
  const values = precisionByName(name)?.values;
  if (values === undefined) return undefined;
  const word = <T>(key: string): Known<T> => known(values[key] as T);
  return {
    name,
    compute: word("compute"),
    weights: word("weights"),
    gradients: word("gradients"),
    masterWeights: word("master_weights"),
    optimizerState: word("optimizer_state"),
    reduce: word("reduce"),
    lossScale: word("loss_scale"),
    recipe: word("recipe"),
  };
}

export function rewardOf(fields: Fields, { name, block }: Declared, context: Context): Reward | undefined {
  const kind = textOf<Reward["kind"]["value"]>(fields, "kind");
  const timeout = numberOf(fields, "timeout");
  const weight = numberOf(fields, "weight");
  if (!kind || !timeout || !weight) return undefined;
  const needs = ({ regex: "pattern", command: "command" } as Readonly<Record<string, string>>)[kind.value];
  if (needs !== undefined && !fields.map.has(needs) && !fields.failed.has(needs))
    context.report(modelCodes.report("LLMP3035", kind.span, { kind: kind.value, key: needs }));
  const pattern = textOf(fields, "pattern");
  if (pattern !== undefined) checkPattern(pattern, context);
  const command = textsOf(fields, "command");
  return present<Reward>({ name, span: block.name?.span, kind, pattern, command, timeout, weight });
}

function checkPattern(pattern: Known<string>, context: Context): void {
  try {
    new RegExp(pattern.value, "su");
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^.*: /, "") : "";
    context.report(
      unitCodes.report("LLMP2018", pattern.span, { key: "pattern" }, { hints: reason === "" ? [] : [reason] }),
    );
  }
}

/** This machine: what `on` means where no cluster is declared. */
export const localMachine = (name: string): Cluster => ({
  name,
  provider: known("local"),
  instance: fixedSetting("local"),
  count: fixedSetting(1),
  pricing: fixedSetting("on_demand"),
  options: {},
});

export function clusterOf(fields: Fields, { name, block }: Declared, context: Context): Cluster | undefined {
  const provider = textOf<Provider>(fields, "provider");
  if (provider === undefined) return undefined;
  const local = provider.value === "local";
  const need = (key: string, hint: string): void => {
    if (fields.map.has(key) || fields.failed.has(key)) return;
    context.report(modelCodes.report("LLMP3034", provider.span, { provider: provider.value, key }, { hints: [hint] }));
  };
  if (!local) need("instance", "for example `instance = ml.p5.48xlarge`; `llmp ls instances` lists them");
  if (provider.value === "hyperpod") need("orchestrator", "`eks` or `slurm`");
  const options: Record<string, Known<string | number | boolean | readonly string[]>> = {};
  for (const { name: key } of clusterOptions) {
    const value = numberOf(fields, key) ?? textOf(fields, key) ?? textsOf(fields, key) ?? boolOf(fields, key);
    if (value !== undefined) options[camel(key)] = value;
  }
  const inner = fixedValue(fields, "network");
  const subnets = inner?.kind === "record" ? textsOf(inner.fields, "subnets") : undefined;
  const security = inner?.kind === "record" ? textsOf(inner.fields, "security_groups") : undefined;
  const network: Known<Network> | undefined =
    subnets === undefined || security === undefined
      ? undefined
      : known({ subnets: subnets.value, securityGroups: security.value }, fields.map.get("network")?.from, inner?.span);
  const rows = fixedValue(fields, "groups");
  const groups =
    rows?.kind === "list" ? known(rows.items.flatMap(groupOf), fields.map.get("groups")?.from, rows.span) : undefined;
  const count = numberSetting(fields, "count");
  const pricing = textSetting<Pricing>(fields, "pricing");
  const instance = textSetting(fields, "instance") ?? fixedSetting("local");
  if (count === undefined || pricing === undefined) return undefined;
  return present<Cluster>({
    name,
    span: block.name?.span,
    provider,
    instance,
    count,
    region: textOf(fields, "region"),
    pricing,
    orchestrator: textOf<"eks" | "slurm">(fields, "orchestrator"),
    storage: textOf(fields, "storage"),
    role: textOf(fields, "role"),
    image: textOf(fields, "image"),
    network,
    groups,
    options,
  });
}

function groupOf(row: Read): MachineGroup[] {
  if (row.kind !== "record") return [];
  const instance = textOf(row.fields, "instance");
  const count = numberOf(row.fields, "count");
  return instance === undefined || count === undefined ? [] : [{ instance: instance.value, count: count.value }];
}

/** Keys as written, in camel case; values in SI. */
export function hardwareOf(fields: Fields, { name, block }: Declared): CustomAccelerator {
  const values: Record<string, number | string> = {};
  for (const key of fields.map.keys()) {
    const value = numberOf(fields, key) ?? textOf(fields, key);
    if (value !== undefined) values[camel(key)] = value.value;
  }
  return present<CustomAccelerator>({ name, span: block.name?.span, fields: values });
}

export function budgetOf(fields: Fields | undefined, context: Context): Budget {
  if (fields === undefined) return { minimize: known("cost") };
  const memory = fixedValue(fields, "memory");
  if (memory?.kind === "quantity" && memory.dimension === "ratio" && memory.value > 1)
    context.report(
      unitCodes.report("LLMP2006", memory.span, {
        key: "memory",
        bound: "at most 100%",
        found: `${formatNumber(memory.value * 100)}%`,
      }),
    );
  return present<Budget>({
    cost: numberOf(fields, "cost"),
    time: numberOf(fields, "time"),
    memory:
      memory?.kind !== "quantity"
        ? undefined
        : known(
            { unit: memory.dimension === "bytes" ? "bytes" : "ratio", amount: memory.value },
            fields.map.get("memory")?.from,
            memory.span,
          ),
    minimize: textOf<"cost" | "time">(fields, "minimize") ?? known("cost"),
  });
}
