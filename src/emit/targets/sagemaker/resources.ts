/** The machines of a training job: one type, several groups, an ordered list to fall back on, or places on UltraServers. */
import type { InstancePlacementConfig, ResourceConfig } from "@aws-sdk/client-sagemaker";
import type { Diagnostic, Outcome } from "../../../diagnostics/index.js";
import { deviceMemory, fastDomain } from "../../../hardware/index.js";
import { formatBytes } from "../../../units/index.js";
import { refuse } from "../../common/lower.js";
import { acceleratorOf, instanceOf } from "../../common/node.js";
import type { StageView } from "../../common/stage.js";
import { clusterList, clusterNumber, clusterOption } from "../../common/target.js";
import { nvmeOnly, trainingInstances } from "../../validate/index.js";

/** SageMaker's names start with `ml.`; EC2 names are taken too. */
export const mlName = (instance: string): string => (instance.startsWith("ml.") ? instance : `ml.${instance}`);

type InstanceType = NonNullable<ResourceConfig["InstanceType"]>;
const typeOf = (instance: string): InstanceType => mlName(instance) as InstanceType;

/** PlacementSpecifications holds at most so many (service model). */
const mostPlacements = 10;

export function resources(view: StageView): Outcome<ResourceConfig> {
  const groups = view.cluster.groups?.value ?? [];
  const fallback = clusterList(view, "fallback");
  const types = [...new Set([view.stage.cluster.instance, ...groups.map((g) => g.instance), ...fallback])];
  const problems = types.flatMap((name) => unsuited(view, name));
  const plan = clusterOption(view, "training_plan");
  const placement = placementOf(view, problems);
  if (problems.length > 0) return { diagnostics: problems };
  const fixedStorage = types.every((t) => nvmeOnly.test(mlName(t)));
  const kms = clusterOption(view, "kms_key");
  const keep = clusterNumber(view, "keep_alive");
  const volume = clusterNumber(view, "volume") ?? 500e9;
  return {
    value: {
      ...machines(view, groups, fallback, plan),
      ...(placement === undefined ? {} : { InstancePlacementConfig: placement }),
      ...(fixedStorage ? {} : { VolumeSizeInGB: Math.ceil(volume / 1e9) }),
      ...(kms === undefined || fixedStorage ? {} : { VolumeKmsKeyId: kms }),
      ...(keep === undefined ? {} : { KeepAlivePeriodInSeconds: Math.round(keep) }),
    },
    diagnostics: [],
  };
}

function machines(
  view: StageView,
  groups: readonly { readonly instance: string; readonly count: number }[],
  fallback: readonly string[],
  plan: string | undefined,
): ResourceConfig {
  const InstanceType = typeOf(view.stage.cluster.instance);
  const arn = plan === undefined ? {} : { TrainingPlanArn: plan };
  if (groups.length > 0)
    return {
      InstanceGroups: groups.map(({ instance, count }) => ({
        InstanceGroupName: mlName(instance).slice(3).replace(/\./g, "-"),
        InstanceType: typeOf(instance),
        InstanceCount: count,
      })),
      ...arn,
    };
  if (fallback.length > 0)
    return {
      // A training plan reserves the planned type; the others are on demand.
      InstancePreferences: [
        { InstanceType, ...(plan === undefined ? {} : { TrainingPlanArns: [plan] }) },
        ...fallback.map((name) => ({ InstanceType: typeOf(name) })),
      ],
      InstanceCount: view.nodes,
    };
  return { InstanceType, InstanceCount: view.nodes, ...arn };
}

/** What a machine lacks of what the plan takes for granted. */
function unsuited(view: StageView, name: string): Diagnostic[] {
  const type = mlName(name);
  if (!trainingInstances.includes(type))
    return [refuse(view, `instance ${type}`, "SageMaker training jobs do not have it")];
  const instance = instanceOf(view.plan, name);
  const accelerator = instance === undefined ? undefined : acceleratorOf(view.plan, instance.accelerator);
  if (instance === undefined || accelerator === undefined || name === view.stage.cluster.instance) return [];
  const memory = deviceMemory(instance, accelerator);
  const peak = view.stage.memory.peak_bytes;
  const compute = view.precision.compute.value;
  return [
    ...(memory < peak
      ? [refuse(view, `instance ${type}`, `the plan needs ${formatBytes(peak)}, it has ${formatBytes(memory)}`)]
      : []),
    ...((compute === "fp8" || compute === "mxfp8") && accelerator.peakFlops[compute] === undefined
      ? [refuse(view, `instance ${type}`, `${accelerator.name} lacks ${compute}`)]
      : []),
  ];
}

/** Where one fast domain spans machines (UltraServers), the plan's groups of machines must stand on one each. */
function placementOf(view: StageView, problems: Diagnostic[]): InstancePlacementConfig | undefined {
  const ids = clusterList(view, "ultraservers");
  const accelerator = acceleratorOf(view.plan, view.stage.cluster.accelerator);
  const domain = view.instance === undefined || accelerator === undefined ? 0 : fastDomain(accelerator, view.instance);
  const each = Math.floor(domain / view.devicesPerNode);
  if (each <= 1) {
    if (ids.length > 0)
      problems.push(refuse(view, "ultraservers", `${view.stage.cluster.instance} is not a part of an UltraServer`));
    return undefined;
  }
  const servers = ids.length > 0 ? ids.length : Math.ceil(view.nodes / each);
  const share = Math.ceil(view.nodes / servers);
  if (share > each || servers > mostPlacements || servers > view.nodes) {
    const reason =
      servers > mostPlacements
        ? `a request places machines on ${mostPlacements} UltraServers at most`
        : share > each
          ? `an UltraServer has ${each} machines, the plan needs ${view.nodes}`
          : `${view.nodes} machines do not fill ${servers} UltraServers`;
    problems.push(refuse(view, `placement on ${servers} UltraServers`, reason, "change count, or ultraservers"));
    return undefined;
  }
  return {
    PlacementSpecifications: Array.from({ length: servers }, (_, i) => ({
      ...(ids[i] === undefined ? {} : { UltraServerId: ids[i] }),
      InstanceCount: Math.min(share, view.nodes - i * share),
    })).filter((s) => s.InstanceCount > 0),
  };
}
