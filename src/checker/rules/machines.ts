/** Machines beside the planned ones: several types in one job, types to fall back on, UltraServers. Only SageMaker's jobs take them. */
import { modelCodes } from "../../diagnostics/index.js";
import { bundledHardware, deviceMemory } from "../../hardware/index.js";
import { formatBytes } from "../../units/index.js";
import type { Context } from "../context.js";
import type { Cluster, Known, MachineGroup } from "../pipeline.js";
import { fixed, options } from "./decide.js";
import type { Rule } from "./rule.js";

/** CreateTrainingJob takes 5 groups, and 5 preferences of which the planned type is the first. */
const most = { groups: 5, fallback: 4 };

export const machinesRule: Rule = (draft, context) => {
  for (const cluster of Object.values(draft.clusters)) {
    const { groups } = cluster;
    const fallback = cluster.options.fallback as Known<readonly string[]> | undefined;
    const given = Object.entries({ groups, fallback, ultraservers: cluster.options.ultraservers }).flatMap(
      ([key, known]) => (known === undefined ? [] : [{ known, say: sayOf(context, cluster, key, known) }]),
    );
    if (cluster.provider.value !== "sagemaker") {
      for (const { say } of given) say("only training jobs of SageMaker take it", "use provider = sagemaker");
      continue;
    }
    for (const { say } of given.slice(1))
      say("groups, fallback and ultraservers exclude each other", "keep one of them");
    if (groups !== undefined) checkGroups(cluster, groups.value, sayOf(context, cluster, "groups", groups));
    if (fallback !== undefined) checkFallback(cluster, fallback.value, sayOf(context, cluster, "fallback", fallback));
  }
};

type Say = (problem: string, hint: string) => void;

const sayOf =
  (context: Context, cluster: Cluster, key: string, { span }: Known<unknown>): Say =>
  (problem, hint) =>
    context.report(modelCodes.report("LLMP3042", span, { key, cluster: cluster.name, problem }, { hints: [hint] }));

function checkGroups(cluster: Cluster, groups: readonly MachineGroup[], say: Say): void {
  if (groups.length === 0 || groups.length > most.groups)
    say(`${groups.length} groups are not from 1 to ${most.groups}`, "join groups of one type");
  const types = new Set(groups.map((g) => g.instance));
  if (types.size < groups.length) say("an instance type is there twice", "join groups of one type");
  const instance = fixed(cluster.instance);
  const count = fixed(cluster.count);
  const sum = groups.reduce((total, g) => total + g.count, 0);
  if (instance === undefined || count === undefined)
    say("the plan is for a fixed number of machines", `give instance, and count = ${sum}`);
  else if (sum !== count) say(`the groups have ${sum} machines, count is ${count}`, `count = ${sum}`);
  if (instance !== undefined) for (const type of types) weaker(instance, type, say);
}

function checkFallback(cluster: Cluster, fallback: readonly string[], say: Say): void {
  if (fallback.length === 0 || fallback.length > most.fallback)
    say(`${fallback.length} types are not from 1 to ${most.fallback}`, "SageMaker tries five types at most");
  if (new Set(fallback).size < fallback.length) say("an instance type is there twice", "name each once");
  if (options(cluster.pricing.value)?.includes("spot") === true)
    say("spot excludes it", "pricing = on_demand, or capacity_block with a training plan");
  for (const planned of options(cluster.instance.value) ?? []) {
    if (fallback.includes(planned)) say(`${planned} is the planned type already`, "name only the others");
    for (const type of fallback) unlike(planned, type, say);
  }
}

const machine = (name: string) => {
  const { instances, accelerators } = bundledHardware();
  const instance = instances[name];
  const accelerator = instance === undefined ? undefined : accelerators[instance.accelerator];
  return instance === undefined || accelerator === undefined
    ? undefined
    : { instance, accelerator, memory: deviceMemory(instance, accelerator) };
};

/** The layout is for so many ranks a machine of one maker. */
function unlike(planned: string, other: string, say: Say): boolean {
  const [a, b] = [machine(planned), machine(other)];
  if (a === undefined || b === undefined) return false;
  const same = a.instance.accelerators === b.instance.accelerators && a.accelerator.vendor === b.accelerator.vendor;
  if (!same)
    say(
      `${other} has ${b.instance.accelerators} ${b.accelerator.name}, ${planned} ${a.instance.accelerators} ${a.accelerator.name}`,
      "a plan is for one number of accelerators a machine",
    );
  return !same;
}

/** The slowest machine sets the pace and the least memory the layout: the plan must be made for that one. */
function weaker(planned: string, other: string, say: Say): void {
  const [a, b] = [machine(planned), machine(other)];
  if (unlike(planned, other, say) || a === undefined || b === undefined) return;
  const less = [
    ...(b.memory < a.memory ? [`${formatBytes(b.memory)} of memory`] : []),
    ...((b.accelerator.peakFlops.bf16 ?? 0) < (a.accelerator.peakFlops.bf16 ?? 0) ? ["slower accelerators"] : []),
    ...(b.instance.networkBandwidth < a.instance.networkBandwidth ? ["a slower network"] : []),
  ];
  if (less.length > 0)
    say(`${other} has ${less.join(" and ")}, less than ${planned}`, `plan with the least of them: instance = ${other}`);
}
