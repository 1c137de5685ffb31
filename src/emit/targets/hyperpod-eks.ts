/** HyperPod on EKS: HyperPodPyTorchJob (`job.yaml`), and Kubeflow's PyTorchJob as another form (`pytorchjob.yaml`). */
import type { Outcome } from "../../diagnostics/index.js";
import { configMap, kubernetesName, labels, namespaceOf, podTemplate } from "../common/pod.js";
import { clusterOption, eachStage, type LoweredStage, maxRuntime, readme } from "../common/target.js";
import { type Yaml, yaml } from "../common/yaml.js";
import type { EmittedFile, Emitter } from "../types.js";
import { pytorchJob } from "./kubernetes.js";
import { mlName } from "./sagemaker/resources.js";

const providers = ["hyperpod"];

/** Schema: aws/sagemaker-hyperpod-cli hyperpod_pytorch_job_unified_config.py (apiVersion sagemaker.amazonaws.com/v1). */
function hyperpodJob(stage: LoweredStage, namespace: string, template: Yaml): Yaml {
  const { view } = stage;
  const queue = clusterOption(view, "queue");
  return {
    apiVersion: "sagemaker.amazonaws.com/v1",
    kind: "HyperPodPyTorchJob",
    metadata: {
      name: kubernetesName(view),
      namespace,
      labels: { ...labels(view), ...(queue === undefined ? {} : { "kueue.x-k8s.io/queue-name": queue }) },
      ...(queue === undefined
        ? {}
        : { annotations: { "kueue.x-k8s.io/podset-preferred-topology": "topology.k8s.aws/network-node-layer-3" } }),
    },
    spec: {
      nprocPerNode: String(view.devicesPerNode),
      replicaSpecs: [{ name: "pod", replicas: view.nodes, template }],
      runPolicy: {
        activeDeadlineSeconds: maxRuntime(view, 365 * 24 * 3600),
        cleanPodPolicy: "None",
        jobMaxRetryCount: 20,
        restartPolicy: { numRestartBeforeFullJobRestart: 3, evalPeriodSeconds: 21_600, maxFullJobRestarts: 10 },
      },
    },
  };
}

function files(stage: LoweredStage, all: readonly LoweredStage[]): Outcome<readonly EmittedFile[]> {
  const { view } = stage;
  const namespace = namespaceOf(view, "kubeflow");
  const nodeSelector = {
    "node.kubernetes.io/instance-type": mlName(view.stage.cluster.instance),
    "sagemaker.amazonaws.com/node-health-status": "Schedulable",
  };
  const own = podTemplate(view, { nodeSelector, container: "pytorch" });
  const kubeflow = podTemplate(view, { nodeSelector, restartPolicy: "OnFailure", container: "pytorch" });
  if (own.template === undefined || kubeflow.template === undefined) return { diagnostics: own.problems };
  const config = yaml(configMap(stage, namespace));
  return {
    value: [
      { path: `${view.folder}job.yaml`, text: `${config}---\n${yaml(hyperpodJob(stage, namespace, own.template))}` },
      {
        path: `${view.folder}pytorchjob.yaml`,
        text: `${config}---\n${yaml(pytorchJob(view, namespace, kubeflow.template, { "sagemaker.amazonaws.com/enable-job-auto-resume": "true", "sagemaker.amazonaws.com/job-max-retry-count": "10" }))}`,
      },
      readme(view, stage.bundle, {
        command: "kubectl apply -f job.yaml",
        also: [
          "`job.yaml` needs the HyperPod training operator; `pytorchjob.yaml` is the same for the Kubeflow training operator, with HyperPod's auto-resume.",
          ...(all.length > 1 && view.spec.startsFrom !== undefined
            ? [`Apply it when stage ${view.spec.startsFrom} is done.`]
            : []),
        ],
      }),
    ],
    diagnostics: [],
  };
}

export const hyperpodEks: Emitter = {
  name: "hyperpod-eks",
  doc: "SageMaker HyperPod on EKS: HyperPodPyTorchJob, or Kubeflow's PyTorchJob with auto-resume",
  providers,
  emit: (plan) => eachStage(plan, "hyperpod-eks", providers, files),
};
