/** AWS Batch: `register-job-definition.json` (multi-node parallel, EFA or Neuron devices), `submit-job.json`, service jobs. */
import type { RegisterJobDefinitionRequest, SubmitJobRequest, SubmitServiceJobRequest } from "@aws-sdk/client-batch";
import type { Diagnostic, Outcome } from "../../../diagnostics/index.js";
import { inputs, stageLinks } from "../../common/entry.js";
import { containerImage } from "../../common/images.js";
import { vendorOf } from "../../common/node.js";
import { json, sh } from "../../common/quote.js";
import type { StageView } from "../../common/stage.js";
import {
  clusterOption,
  eachStage,
  type LoweredStage,
  maxRuntime,
  needs,
  readme,
  storage,
  tags,
} from "../../common/target.js";
import type { EmittedFile, Emitter } from "../../types.js";
import { validateRequest } from "../../validate/index.js";
import { shellHead, uploads } from "../sagemaker/submit-sh.js";
import { configUri, trainingJob, uploadedUri } from "../sagemaker/training-job.js";

const providers = ["batch"];
const ec2Name = (instance: string): string => instance.replace(/^ml\./, "");
const jobName = (view: StageView): string => view.jobName.slice(0, 128);

/** The container downloads the configuration and the inputs, then runs entry.sh; outputs go to S3. */
function command(view: StageView): string[] {
  const s3 = storage(view) ?? "";
  const lines = [
    "set -euo pipefail",
    "mkdir -p /llmp/input",
    `aws s3 sync --only-show-errors ${sh(configUri(view))} /llmp/engine`,
    ...inputs(view)
      .filter((i) => i.kind === "local")
      .map((i) => `aws s3 sync --only-show-errors ${sh(uploadedUri(view, i))} /llmp/input/${i.channel}`),
    ...stageLinks(view).map(
      ({ channel, of }) => `aws s3 sync --only-show-errors ${sh(`${s3}/output/${of.jobName}/`)} /llmp/input/${channel}`,
    ),
    "exec bash /llmp/engine/entry.sh",
  ];
  return ["bash", "-c", lines.join("\n")];
}

const environment = (view: StageView): { name: string; value: string }[] => {
  const s3 = storage(view) ?? "";
  const values: Record<string, string> = {
    LLMP_INPUT: "/llmp/input",
    LLMP_OUTPUT: "/llmp/output",
    LLMP_CHECKPOINTS: "/llmp/checkpoints",
    LLMP_OUTPUT_S3: `${s3}/output/${view.jobName}/`,
    LLMP_CHECKPOINT_S3: `${s3}/checkpoints/${view.jobName}/`,
    ...(view.nodes > 1 && (view.instance?.efaInterfaces ?? 0) > 0
      ? { FI_PROVIDER: "efa", FI_EFA_USE_DEVICE_RDMA: "1" }
      : {}),
  };
  return Object.entries(values).map(([name, value]) => ({ name, value }));
};

/** EFA: one device per /dev/infiniband/uverbsN; Trainium: one per /dev/neuronN. */
function devices(
  view: StageView,
  neuron: boolean,
): { hostPath: string; containerPath: string; permissions: ("READ" | "WRITE" | "MKNOD")[] }[] {
  const device = (path: string) => ({
    hostPath: path,
    containerPath: path,
    permissions: ["READ", "WRITE", "MKNOD"] as ("READ" | "WRITE" | "MKNOD")[],
  });
  const efa = view.nodes > 1 ? (view.instance?.efaInterfaces ?? 0) : 0;
  const chips = neuron ? (view.instance?.chips ?? view.instance?.accelerators ?? 0) : 0;
  return [
    ...Array.from({ length: efa }, (_, i) => device(`/dev/infiniband/uverbs${i}`)),
    ...Array.from({ length: chips }, (_, i) => device(`/dev/neuron${i}`)),
  ];
}

function definition(view: StageView, image: string): RegisterJobDefinitionRequest {
  const vendor = vendorOf(view.plan, view.instance, view.stage.cluster.accelerator);
  const neuron = vendor === "aws";
  const vcpus = view.instance?.vcpus ?? 8;
  const memory = Math.floor(((view.instance?.hostMemoryBytes ?? 32 * 1024 ** 3) * 0.9) / 1024 ** 2);
  const role = view.cluster.role?.value;
  const list = devices(view, neuron);
  const container = {
    image,
    command: command(view),
    environment: environment(view),
    ...(role === undefined ? {} : { jobRoleArn: role }),
    resourceRequirements: [
      { type: "VCPU" as const, value: String(vcpus) },
      { type: "MEMORY" as const, value: String(memory) },
      ...(neuron || vendor === "cpu" ? [] : [{ type: "GPU" as const, value: String(view.devicesPerNode) }]),
    ],
    linuxParameters: {
      ...(list.length === 0 ? {} : { devices: list }),
      sharedMemorySize: Math.max(64, Math.floor(memory / 4)),
    },
    ulimits: [
      { name: "memlock", hardLimit: -1, softLimit: -1 },
      { name: "stack", hardLimit: 67_108_864, softLimit: 67_108_864 },
    ],
    privileged: false,
  };
  const shared = {
    jobDefinitionName: jobName(view),
    timeout: { attemptDurationSeconds: Math.max(60, maxRuntime(view, 365 * 24 * 3600)) },
    retryStrategy: {
      attempts: 5,
      // Batch's names of host failures and spot interruptions; anything else is the program's own failure.
      evaluateOnExit: [
        { action: "RETRY" as const, onStatusReason: "Host EC2*" },
        { action: "EXIT" as const, onReason: "*" },
      ],
    },
    propagateTags: true,
    platformCapabilities: ["EC2" as const],
    tags: Object.fromEntries(tags(view)),
  };
  if (view.nodes === 1) return { ...shared, type: "container", containerProperties: container };
  return {
    ...shared,
    type: "multinode",
    nodeProperties: {
      numNodes: view.nodes,
      mainNode: 0,
      nodeRangeProperties: [{ targetNodes: "0:", instanceTypes: [ec2Name(view.stage.cluster.instance)], container }],
    },
  };
}

function files(stage: LoweredStage, all: readonly LoweredStage[]): Outcome<readonly EmittedFile[]> {
  const { view } = stage;
  const problems: Diagnostic[] = [];
  const queue = clusterOption(view, "queue");
  if (queue === undefined) problems.push(needs(view, "batch", "queue", '"gpu-queue"'));
  if (storage(view) === undefined) problems.push(needs(view, "batch", "storage", '"s3://bucket/prefix"'));
  const { image, problem } = containerImage(view);
  if (problem !== undefined) problems.push(problem);
  if (problems.length > 0 || queue === undefined || image === undefined) return { diagnostics: problems };
  const register = definition(view, image);
  const submit: SubmitJobRequest = {
    jobName: jobName(view),
    jobQueue: queue,
    jobDefinition: jobName(view),
    propagateTags: true,
    tags: Object.fromEntries(tags(view)),
  };
  problems.push(...validateRequest("RegisterJobDefinition", register), ...validateRequest("SubmitJob", submit));
  const service = serviceJob(stage, all, queue);
  problems.push(...service.diagnostics);
  if (problems.length > 0) return { diagnostics: problems };
  return {
    value: [
      { path: `${view.folder}register-job-definition.json`, text: json(register) },
      { path: `${view.folder}submit-job.json`, text: json(submit) },
      ...(service.value === undefined
        ? []
        : [{ path: `${view.folder}submit-service-job.json`, text: json(service.value) }]),
      readme(view, stage.bundle, {
        command: all.length === 1 ? "./submit.sh" : "../submit.sh",
        also: [
          "It uploads `engine/` and local inputs, registers the job definition and submits the job; stages wait for the one that they start from.",
          ...(service.value === undefined
            ? []
            : [
                "`submit-service-job.json` is the same as a SageMaker training job in a queue of type SAGEMAKER_TRAINING: `aws batch submit-service-job --cli-input-json file://submit-service-job.json`.",
              ]),
          ...(view.nodes > 1 ? ["Multi-node jobs do not run on spot compute environments."] : []),
        ],
      }),
    ],
    diagnostics: [],
  };
}

/** SubmitServiceJob: Batch queues a CreateTrainingJob. Only where the cluster names a role and the instance is SageMaker's. */
function serviceJob(
  stage: LoweredStage,
  all: readonly LoweredStage[],
  queue: string,
): Outcome<SubmitServiceJobRequest> {
  if (stage.view.cluster.role === undefined) return { diagnostics: [] };
  const job = trainingJob(stage, all);
  if (job.value === undefined) return { diagnostics: [] };
  const { TrainingJobName: _, RetryStrategy: __, ...payload } = job.value;
  const body: SubmitServiceJobRequest = {
    jobName: jobName(stage.view),
    jobQueue: queue,
    serviceJobType: "SAGEMAKER_TRAINING",
    serviceRequestPayload: JSON.stringify(payload),
    retryStrategy: { attempts: 3 },
    timeoutConfig: { attemptDurationSeconds: Math.max(60, maxRuntime(stage.view, 28 * 24 * 3600)) },
    tags: Object.fromEntries(tags(stage.view)),
  };
  const problems = validateRequest("SubmitServiceJob", body);
  return problems.length > 0 ? { diagnostics: problems } : { value: body, diagnostics: [] };
}

function submitScript(stages: readonly LoweredStage[]): string {
  const region = stages[0]?.view.cluster.region?.value;
  const at = region === undefined ? "" : ` --region ${sh(region)}`;
  const lines = [
    ...shellHead("Uploads what the jobs read, registers their definitions and submits them.", stages),
    "",
    ...uploads(stages, stages.length === 1),
  ];
  for (const { view } of stages) {
    const folder = view.folder === "" ? "$here" : `$here/${view.folder.replace(/\/$/, "")}`;
    const after = stageLinks(view).map(({ of }) => `jobId=$job_${of.index}`);
    const wait = after.length === 0 ? "" : ` --depends-on ${[...new Set(after)].map((id) => `"${id}"`).join(" ")}`;
    lines.push(
      `aws batch register-job-definition${at} --cli-input-json "file://${folder}/register-job-definition.json" --query jobDefinitionArn --output text`,
      `job_${view.index}="$(aws batch submit-job${at} --cli-input-json "file://${folder}/submit-job.json"${wait} --query jobId --output text)"`,
      `echo "${view.stage.name}: job $job_${view.index}"`,
    );
  }
  return `${lines.join("\n")}\n`;
}

export const batch: Emitter = {
  name: "batch",
  doc: "AWS Batch: multi-node parallel jobs with EFA or Neuron devices, chained by dependencies",
  providers,
  emit: (plan) => {
    const outcome = eachStage(plan, "batch", providers, files);
    if (outcome.value === undefined) return outcome;
    return {
      ...outcome,
      value: [...outcome.value, { path: "submit.sh", text: submitScript(outcome.stages), executable: true }],
    };
  },
};
