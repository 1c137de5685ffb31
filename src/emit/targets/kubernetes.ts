/** Any Kubernetes: Kubeflow PyTorchJob v1 (`job.yaml`) and TrainJob v2 (`trainjob.yaml`). */
import type { Outcome } from "../../diagnostics/index.js";
import { configMap, kubernetesName, labels, namespaceOf, podTemplate } from "../common/pod.js";
import type { StageView } from "../common/stage.js";
import { clusterOption, eachStage, type LoweredStage, maxRuntime, readme } from "../common/target.js";
import { type Yaml, yaml } from "../common/yaml.js";
import type { EmittedFile, Emitter } from "../types.js";

const providers = ["kubernetes"];

/** kubeflow.org/v1: one Master and nodes − 1 Workers, all with the same pod. */
export function pytorchJob(
  view: StageView,
  namespace: string,
  template: Yaml,
  annotations: Record<string, Yaml> = {},
): Yaml {
  const queue = clusterOption(view, "queue");
  const replica = (replicas: number): Yaml => ({ replicas, restartPolicy: "OnFailure", template });
  return {
    apiVersion: "kubeflow.org/v1",
    kind: "PyTorchJob",
    metadata: {
      name: kubernetesName(view),
      namespace,
      labels: { ...labels(view), ...(queue === undefined ? {} : { "kueue.x-k8s.io/queue-name": queue }) },
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    },
    spec: {
      nprocPerNode: String(view.devicesPerNode),
      runPolicy: { cleanPodPolicy: "None", backoffLimit: 10, activeDeadlineSeconds: maxRuntime(view, 365 * 24 * 3600) },
      pytorchReplicaSpecs: { Master: replica(1), ...(view.nodes > 1 ? { Worker: replica(view.nodes - 1) } : {}) },
    },
  };
}

/** trainer.kubeflow.org/v1alpha1: the runtime `torch-distributed` with our container and resources. */
function trainJob(view: StageView, namespace: string, template: Yaml): Yaml {
  const spec = (
    template as {
      readonly spec: {
        readonly containers: readonly { readonly [key: string]: Yaml }[];
        readonly volumes: Yaml;
        readonly serviceAccountName?: Yaml;
        readonly tolerations: Yaml;
      };
    }
  ).spec;
  const container = spec.containers[0] ?? {};
  return {
    apiVersion: "trainer.kubeflow.org/v1alpha1",
    kind: "TrainJob",
    metadata: { name: kubernetesName(view), namespace, labels: labels(view) },
    spec: {
      runtimeRef: { apiGroup: "trainer.kubeflow.org", kind: "ClusterTrainingRuntime", name: "torch-distributed" },
      trainer: {
        image: container.image,
        command: container.command,
        env: container.env,
        numNodes: view.nodes,
        numProcPerNode: view.devicesPerNode,
        resourcesPerNode: container.resources,
      },
      // The trainer's own fields have no volumes: a patch of the runtime's node template adds them.
      runtimePatches: [
        {
          manager: "llmp.dev/emit",
          trainingRuntimeSpec: {
            template: {
              spec: {
                replicatedJobs: [
                  {
                    name: "node",
                    template: {
                      spec: {
                        template: {
                          spec: {
                            serviceAccountName: spec.serviceAccountName,
                            tolerations: spec.tolerations,
                            volumes: spec.volumes,
                            containers: [{ name: "node", volumeMounts: container.volumeMounts }],
                          },
                        },
                      },
                    },
                  },
                ],
              },
            },
          },
        },
      ],
    },
  };
}

function files(stage: LoweredStage): Outcome<readonly EmittedFile[]> {
  const { view } = stage;
  const namespace = namespaceOf(view, "default");
  const job = podTemplate(view, { restartPolicy: "OnFailure", container: "pytorch" });
  if (job.template === undefined) return { diagnostics: job.problems };
  const config = yaml(configMap(stage, namespace));
  return {
    value: [
      { path: `${view.folder}job.yaml`, text: `${config}---\n${yaml(pytorchJob(view, namespace, job.template))}` },
      { path: `${view.folder}trainjob.yaml`, text: `${config}---\n${yaml(trainJob(view, namespace, job.template))}` },
      readme(view, stage.bundle, {
        command: "kubectl apply -f job.yaml",
        also: [
          "`job.yaml` is for the Kubeflow training operator (v1); `trainjob.yaml` is the same for Kubeflow Trainer (v2).",
        ],
      }),
    ],
    diagnostics: [],
  };
}

export const kubernetes: Emitter = {
  name: "kubernetes",
  doc: "any Kubernetes: Kubeflow PyTorchJob, or TrainJob",
  providers,
  emit: (plan) => eachStage(plan, "kubernetes", providers, files),
};
