/** A stage as the exact body of SageMaker's CreateTrainingJob. */
import type { CreateTrainingJobRequest } from "@aws-sdk/client-sagemaker";
import type { Diagnostic, Outcome } from "../../../diagnostics/index.js";
import { type Input, inputs } from "../../common/entry.js";
import { containerImage } from "../../common/images.js";
import { refuse } from "../../common/lower.js";
import type { StageView } from "../../common/stage.js";
import {
  clusterNumber,
  clusterOption,
  type LoweredStage,
  maxRuntime,
  needs,
  storage,
  tags,
} from "../../common/target.js";
import { validateRequest } from "../../validate/index.js";
import { resources } from "./resources.js";

const month = 28 * 24 * 3600;

export const outputPath = (view: StageView): string => `${storage(view)}/output`;
export const configUri = (view: StageView): string => `${storage(view)}/jobs/${view.jobName}/engine/`;
export const checkpointUri = (view: StageView): string => `${storage(view)}/checkpoints/${view.jobName}/`;
/** Where an uncompressed model of a finished job lies. */
export const modelUri = (view: StageView): string => `${outputPath(view)}/${view.jobName}/output/model/`;
/** Where `submit.sh` puts inputs that are on this machine. */
export const uploadedUri = (view: StageView, input: Input): string =>
  `${storage(view)}/inputs/${view.jobName}/${input.channel}/`;

function inputUri(view: StageView, input: Input, stages: readonly LoweredStage[]): string {
  if (input.kind === "s3") return input.from;
  const before = input.kind === "stage" ? stages.find((s) => s.view.stage.name === input.from) : undefined;
  return before === undefined ? uploadedUri(view, input) : modelUri(before.view);
}

function channel(view: StageView, name: string, uri: string, stream: boolean) {
  const fsx = clusterOption(view, "shared_storage");
  const lustre = fsx === undefined ? undefined : /^(fs-[0-9a-f]+):(\/\S*)$/.exec(fsx);
  if (lustre !== null && lustre !== undefined && name.startsWith("data-")) {
    return {
      ChannelName: name,
      DataSource: {
        FileSystemDataSource: {
          FileSystemId: lustre[1],
          FileSystemType: "FSxLustre" as const,
          FileSystemAccessMode: "ro" as const,
          DirectoryPath: `${(lustre[2] ?? "/").replace(/\/+$/, "")}/${name.slice(5)}`,
        },
      },
    };
  }
  return {
    ChannelName: name,
    InputMode: stream ? ("FastFile" as const) : ("File" as const),
    DataSource: {
      S3DataSource: { S3DataType: "S3Prefix" as const, S3Uri: uri, S3DataDistributionType: "FullyReplicated" as const },
    },
  };
}

/** Spot jobs: wait a third longer than they may run, unless said; both at most 28 days. */
function stopping(view: StageView, spot: boolean) {
  const run = maxRuntime(view, month);
  const wait = Math.min(month, Math.max(run, clusterNumber(view, "max_wait") ?? Math.ceil(run * 1.33)));
  return { MaxRuntimeInSeconds: run, ...(spot ? { MaxWaitTimeInSeconds: wait } : {}) };
}

/** EFA needs its interface and the NCCL plugin's choices; SageMaker attaches the devices by itself. */
function environment(view: StageView): Record<string, string> {
  const { spec } = view;
  const network: Record<string, string> =
    view.nodes > 1 && (view.instance?.efaInterfaces ?? 0) > 0
      ? { FI_PROVIDER: "efa", FI_EFA_USE_DEVICE_RDMA: "1", NCCL_DEBUG: "WARN" }
      : {};
  return { ...network, LLMP_SEED: String(spec.seed.value) };
}

export function trainingJob(lowered: LoweredStage, stages: readonly LoweredStage[]): Outcome<CreateTrainingJobRequest> {
  const { view } = lowered;
  const { cluster, stage } = view;
  const problems: Diagnostic[] = [];
  const role = cluster.role?.value;
  if (role === undefined)
    problems.push(needs(view, "sagemaker", "role", '"arn:aws:iam::111122223333:role/SageMakerRole"'));
  if (storage(view) === undefined) problems.push(needs(view, "sagemaker", "storage", '"s3://bucket/prefix"'));
  const machines = resources(view);
  problems.push(...machines.diagnostics);
  const { image, problem } = containerImage(view);
  if (problem !== undefined) problems.push(problem);
  if (problems.length > 0 || role === undefined || image === undefined) return { diagnostics: problems };
  const pricing = stage.cost.pricing;
  const spot = pricing === "spot";
  const plan = clusterOption(view, "training_plan");
  const kms = clusterOption(view, "kms_key");
  const keep = clusterNumber(view, "keep_alive");
  if (pricing === "capacity_block" && plan === undefined)
    problems.push(
      needs(
        view,
        "sagemaker",
        "training_plan",
        '"arn:aws:sagemaker:…:training-plan/…" (capacity blocks are training plans)',
      ),
    );
  if (plan !== undefined && spot)
    problems.push(
      refuse(view, "training_plan on spot", "a training plan is reserved capacity: pricing = capacity_block pays it"),
    );
  if (keep !== undefined && spot)
    problems.push(
      refuse(view, "keep_alive on spot", "warm pools exclude managed spot training (SageMaker documentation)"),
    );
  const body: CreateTrainingJobRequest = {
    TrainingJobName: view.jobName,
    RoleArn: role,
    AlgorithmSpecification: {
      TrainingImage: image,
      TrainingInputMode: "File",
      ContainerEntrypoint: ["bash", "/opt/ml/input/data/config/entry.sh"],
      MetricDefinitions: [
        { Name: "train:loss", Regex: "['\"]?loss['\"]?[:=] *['\"]?([0-9.eE+-]+)" },
        { Name: "train:grad_norm", Regex: "['\"]?grad_norm['\"]?[:=] *['\"]?([0-9.eE+-]+)" },
      ],
      EnableSageMakerMetricsTimeSeries: true,
    },
    InputDataConfig: [
      channel(view, "config", configUri(view), false),
      ...inputs(view).map((input) =>
        channel(view, input.channel, inputUri(view, input, stages), input.channel.startsWith("data-")),
      ),
    ],
    OutputDataConfig: {
      S3OutputPath: outputPath(view),
      CompressionType: "NONE",
      ...(kms === undefined ? {} : { KmsKeyId: kms }),
    },
    ResourceConfig: machines.value,
    StoppingCondition: stopping(view, spot),
    CheckpointConfig: { S3Uri: checkpointUri(view), LocalPath: "/opt/ml/checkpoints" },
    Environment: environment(view),
    RetryStrategy: { MaximumRetryAttempts: spot ? 30 : 3 },
    EnableManagedSpotTraining: spot,
    EnableInterContainerTrafficEncryption: false,
    Tags: tags(view).map(([Key, Value]) => ({ Key, Value })),
    ...(cluster.network === undefined
      ? {}
      : {
          VpcConfig: {
            Subnets: [...cluster.network.value.subnets],
            SecurityGroupIds: [...cluster.network.value.securityGroups],
          },
        }),
  };
  problems.push(...validateRequest("CreateTrainingJob", body));
  return problems.length > 0 ? { diagnostics: problems } : { value: body, diagnostics: [] };
}
