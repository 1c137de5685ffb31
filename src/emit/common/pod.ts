/** What Kubernetes jobs of all kinds share: the pod template, its volumes, the configuration as a ConfigMap. */
import type { Diagnostic } from "../../diagnostics/index.js";
import { type Input, inputs, stageLinks } from "./entry.js";
import { containerImage } from "./images.js";
import { vendorOf } from "./node.js";
import type { StageView } from "./stage.js";
import { clusterOption, type LoweredStage, storage } from "./target.js";
import type { Yaml } from "./yaml.js";

export const kubernetesName = (view: StageView): string =>
  view.jobName
    .toLowerCase()
    .replace(/[^a-z0-9-]/g, "-")
    .slice(0, 50)
    .replace(/-+$/, "");
export const namespaceOf = (view: StageView, otherwise: string): string =>
  clusterOption(view, "namespace") ?? otherwise;

/** Files of a folder flattened into ConfigMap keys: `/` is not allowed there. */
const keyOf = (path: string): string => path.replace(/\//g, "__");

export function configMap(stage: LoweredStage, namespace: string): Yaml {
  const prefix = `${stage.view.folder}engine/`;
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: `${kubernetesName(stage.view)}-engine`, namespace, labels: labels(stage.view) },
    data: Object.fromEntries(stage.files.map((f) => [keyOf(f.path.slice(prefix.length)), f.text])),
  };
}

export const labels = (view: StageView): Record<string, Yaml> => ({
  "app.kubernetes.io/managed-by": "llmp",
  "llmp/stage": view.stage.name.toLowerCase(),
  "llmp/plan": view.plan.hash.slice(0, 16),
});

/** Node resources: devices, EFA interfaces, and nearly all of the host's memory and processors. */
export function resources(view: StageView): Record<string, Yaml> {
  const vendor = vendorOf(view.plan, view.instance, view.stage.cluster.accelerator);
  const device = vendor === "aws" ? "aws.amazon.com/neuron" : vendor === "amd" ? "amd.com/gpu" : "nvidia.com/gpu";
  const chips =
    vendor === "aws"
      ? (view.instance?.chips ?? view.instance?.accelerators ?? view.devicesPerNode)
      : view.devicesPerNode;
  const efa = view.instance?.efaInterfaces ?? 0;
  return {
    ...(vendor === "cpu" ? {} : { [device]: chips }),
    ...(efa > 0 && view.nodes > 1 ? { "vpc.amazonaws.com/efa": efa } : {}),
    ...(view.instance === undefined
      ? {}
      : {
          cpu: Math.max(1, Math.floor(view.instance.vcpus * 0.9)),
          memory: `${Math.max(1, Math.floor((view.instance.hostMemoryBytes * 0.9) / 1024 ** 3))}Gi`,
        }),
  };
}

const mountable = (input: Input): boolean => input.kind === "local";

/** The pod of one node: config from the ConfigMap, results on the shared volume or in S3. */
export function podTemplate(
  view: StageView,
  extra: { readonly nodeSelector?: Record<string, Yaml>; readonly restartPolicy?: string; readonly container: string },
): { readonly template?: Yaml; readonly problems: readonly Diagnostic[] } {
  const { image, problem } = containerImage(view);
  if (problem !== undefined) return { problems: [problem] };
  const claim = clusterOption(view, "shared_storage");
  const account = clusterOption(view, "service_account");
  const s3 = storage(view);
  const links = stageLinks(view);
  const shared = "/shared";
  const where = (kind: string, of: StageView): string => `${shared}/llmp/${kind}/${of.jobName}`;
  const mounted = inputs(view).filter(mountable);
  const script = [
    "set -eu",
    "mkdir -p /llmp/engine",
    'for f in /llmp/files/*; do n="$(basename "$f" | sed "s#__#/#g")"; mkdir -p "/llmp/engine/$(dirname "$n")"; cp "$f" "/llmp/engine/$n"; done',
    `mkdir -p "$LLMP_INPUT"`,
    ...mounted.map(
      (i) =>
        `[ ! -e "${shared}/$LLMP_DATA_ROOT/${i.from}" ] || ln -sfn "${shared}/$LLMP_DATA_ROOT/${i.from}" "$LLMP_INPUT/${i.channel}"`,
    ),
    ...links.map(({ channel, of }) =>
      claim === undefined
        ? `aws s3 sync --only-show-errors "$LLMP_${channel.toUpperCase()}_S3" "$LLMP_INPUT/${channel}"`
        : `ln -sfn ${where("output", of)} "$LLMP_INPUT/${channel}"`,
    ),
    "exec bash /llmp/engine/entry.sh",
  ].join("\n");
  const env: Record<string, string> = {
    LLMP_INPUT: "/llmp/input",
    LLMP_DATA_ROOT: ".",
    ...(claim === undefined
      ? {
          LLMP_OUTPUT: "/llmp/output",
          LLMP_CHECKPOINTS: "/llmp/checkpoints",
          ...(s3 === undefined
            ? {}
            : {
                LLMP_OUTPUT_S3: `${s3}/output/${view.jobName}/`,
                LLMP_CHECKPOINT_S3: `${s3}/checkpoints/${view.jobName}/`,
              }),
          ...(s3 === undefined
            ? {}
            : Object.fromEntries(
                links.map(({ channel, of }) => [`LLMP_${channel.toUpperCase()}_S3`, `${s3}/output/${of.jobName}/`]),
              )),
        }
      : { LLMP_OUTPUT: where("output", view), LLMP_CHECKPOINTS: where("checkpoints", view) }),
    ...(view.nodes > 1 && (view.instance?.efaInterfaces ?? 0) > 0
      ? { FI_PROVIDER: "efa", FI_EFA_USE_DEVICE_RDMA: "1" }
      : {}),
  };
  const limits = resources(view);
  return {
    problems: [],
    template: {
      metadata: { labels: labels(view) },
      spec: {
        ...(extra.nodeSelector === undefined ? {} : { nodeSelector: extra.nodeSelector }),
        ...(account === undefined ? {} : { serviceAccountName: account }),
        ...(extra.restartPolicy === undefined ? {} : { restartPolicy: extra.restartPolicy }),
        tolerations: [
          { key: "nvidia.com/gpu", operator: "Exists", effect: "NoSchedule" },
          { key: "aws.amazon.com/neuron", operator: "Exists", effect: "NoSchedule" },
        ],
        containers: [
          {
            name: extra.container,
            image: image ?? "",
            command: ["bash", "-c", script],
            env: Object.entries(env).map(([name, value]) => ({ name, value })),
            resources: { requests: limits, limits },
            volumeMounts: [
              { name: "files", mountPath: "/llmp/files" },
              { name: "shm", mountPath: "/dev/shm" },
              ...(claim === undefined ? [] : [{ name: "shared", mountPath: shared }]),
            ],
          },
        ],
        volumes: [
          { name: "files", configMap: { name: `${kubernetesName(view)}-engine` } },
          { name: "shm", emptyDir: { medium: "Memory" } },
          ...(claim === undefined ? [] : [{ name: "shared", persistentVolumeClaim: { claimName: claim } }]),
        ],
      },
    },
  };
}
