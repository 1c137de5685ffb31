/**
 * `llmp run` on SageMaker: what would be created, its creation, status and logs, stop. The request is the one that
 * `llmp emit sagemaker` writes; credentials are the AWS SDK's own business and are neither read nor stored here.
 */
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type {
  CreatePipelineCommandInput,
  CreateTrainingJobCommandInput,
  SageMakerClient,
} from "@aws-sdk/client-sagemaker";
import { type Diagnostic, emitCodes } from "../../diagnostics/index.js";
import { emit, stageInputs } from "../../emit/index.js";
import type { Plan } from "../../planner/plan.js";
import { call, RemoteFailure } from "./errors.js";
import { folderUploads, put, type Upload } from "./upload.js";

export interface Submission {
  readonly region: string | undefined;
  readonly uploads: readonly Upload[];
  /** One job, or a pipeline over several. */
  readonly job?: CreateTrainingJobCommandInput;
  readonly pipeline?: CreatePipelineCommandInput;
}

/** Everything that submitting would do. Throws RemoteFailure where the plan cannot be emitted or local data is missing. */
export async function prepare(plan: Plan, root: string, suffix = ""): Promise<Submission> {
  const outcome = await emit("sagemaker", plan);
  if (outcome.value === undefined)
    throw new RemoteFailure(outcome.diagnostics.find((d) => d.severity === "error") as Diagnostic);
  const files = new Map(outcome.value.map((f) => [f.path, f.text]));
  const uploads: Upload[] = [];
  const single = plan.stages.length === 1;
  const jobs = plan.stages.map((stage, index) => {
    const folder = single ? "" : `${String(index + 1).padStart(2, "0")}-${stage.name}/`;
    const job = JSON.parse(files.get(`${folder}create-training-job.json`) ?? "{}") as CreateTrainingJobCommandInput;
    const uri = new Map(
      (job.InputDataConfig ?? []).map((c) => [c.ChannelName, c.DataSource?.S3DataSource?.S3Uri ?? ""]),
    );
    for (const [path, text] of files)
      if (path.startsWith(`${folder}engine/`))
        uploads.push({
          uri: `${uri.get("config")}${path.slice(`${folder}engine/`.length)}`,
          bytes: Buffer.byteLength(text),
          from: { text },
        });
    for (const input of stageInputs(plan, index).filter((i) => i.kind === "local")) {
      const path = resolve(root, input.from);
      if (!existsSync(path))
        throw new RemoteFailure(
          emitCodes.report(
            "LLMP5103",
            undefined,
            { stage: stage.name, channel: input.channel, path: input.from },
            { hints: ["paths start at the folder of the .llmp file"] },
          ),
        );
      uploads.push(...folderUploads(path, uri.get(input.channel) ?? ""));
    }
    return job;
  });
  const region = plan.pipeline.clusters[plan.stages[0]?.cluster.name ?? ""]?.region?.value;
  const pipeline = files.get("create-pipeline.json");
  if (pipeline !== undefined) return { region, uploads, pipeline: JSON.parse(pipeline) as CreatePipelineCommandInput };
  const [job] = jobs as [CreateTrainingJobCommandInput];
  // A training job's name is used once: a second run of the same plan needs another.
  const name = suffix === "" ? job.TrainingJobName : `${job.TrainingJobName?.slice(0, 62 - suffix.length)}-${suffix}`;
  return { region, uploads, job: { ...job, TrainingJobName: name } };
}

function machines({
  InstanceCount,
  InstanceType,
  InstanceGroups = [],
  InstancePreferences = [],
}: CreateTrainingJobCommandInput["ResourceConfig"] & {} = {}): string {
  if (InstanceGroups.length > 0) return InstanceGroups.map((g) => `${g.InstanceCount} × ${g.InstanceType}`).join(" + ");
  return `${InstanceCount} × ${[InstanceType, ...InstancePreferences.map((p) => p.InstanceType)].filter((t) => t !== undefined).join(", else ")}`;
}

/** What a dry run prints: no secret is in it, since none is in the request. */
export function describe(submission: Submission): string {
  const { job, pipeline, uploads } = submission;
  const bytes = uploads.reduce((sum, u) => sum + u.bytes, 0);
  const lines = [
    `region    ${submission.region ?? "(from AWS_REGION)"}`,
    `upload    ${uploads.length} files, ${(bytes / 1e6).toFixed(1)} MB`,
  ];
  if (job !== undefined)
    lines.push(
      `create    training job ${job.TrainingJobName}`,
      `          ${machines(job.ResourceConfig)}${job.EnableManagedSpotTraining === true ? " (spot)" : ""}`,
      `          at most ${Math.round((job.StoppingCondition?.MaxRuntimeInSeconds ?? 0) / 360) / 10} h, as ${job.RoleArn}`,
      `          output ${job.OutputDataConfig?.S3OutputPath}`,
    );
  if (pipeline !== undefined) lines.push(`create    pipeline ${pipeline.PipelineName}, and start it`);
  return lines.join("\n");
}

export interface Remote {
  readonly kind: "training-job" | "pipeline";
  /** Name of the job, or ARN of the execution. */
  readonly id: string;
  readonly region: string | undefined;
}

const config = (region: string | undefined): { region?: string } => (region === undefined ? {} : { region });

export async function client(region: string | undefined): Promise<SageMakerClient> {
  const { SageMakerClient: Client } = await import("@aws-sdk/client-sagemaker");
  return new Client(config(region));
}

export async function submit(
  submission: Submission,
  onProgress: (text: string) => void = () => undefined,
): Promise<Remote> {
  const { S3Client } = await import("@aws-sdk/client-s3");
  const sdk = await import("@aws-sdk/client-sagemaker");
  // Path style where an endpoint of one's own is named (mock servers, S3-compatible stores).
  const own = process.env.AWS_ENDPOINT_URL !== undefined || process.env.AWS_ENDPOINT_URL_S3 !== undefined;
  const s3 = new S3Client({ ...config(submission.region), ...(own ? { forcePathStyle: true } : {}) });
  const sagemaker = await client(submission.region);
  for (const [index, upload] of submission.uploads.entries()) {
    onProgress(`upload ${index + 1}/${submission.uploads.length} ${upload.uri}`);
    await put(s3, upload);
  }
  if (submission.job !== undefined) {
    const { job } = submission;
    await call("sagemaker", "CreateTrainingJob", () => sagemaker.send(new sdk.CreateTrainingJobCommand(job)));
    return { kind: "training-job", id: job.TrainingJobName ?? "", region: submission.region };
  }
  const pipeline = submission.pipeline as CreatePipelineCommandInput;
  await call("sagemaker", "CreatePipeline", () => sagemaker.send(new sdk.CreatePipelineCommand(pipeline)));
  const started = await call("sagemaker", "StartPipelineExecution", () =>
    sagemaker.send(
      new sdk.StartPipelineExecutionCommand({
        PipelineName: pipeline.PipelineName,
        ClientRequestToken: `${pipeline.ClientRequestToken}`,
      }),
    ),
  );
  return { kind: "pipeline", id: started.PipelineExecutionArn ?? "", region: submission.region };
}

/** Runs a failed or stopped execution again from the step it ended in; each step keeps its checkpoint prefix. */
export async function retryPipeline(remote: Remote): Promise<Remote> {
  const sdk = await import("@aws-sdk/client-sagemaker");
  const sagemaker = await client(remote.region);
  await call("sagemaker", "RetryPipelineExecution", () =>
    sagemaker.send(
      new sdk.RetryPipelineExecutionCommand({ PipelineExecutionArn: remote.id, ClientRequestToken: randomUUID() }),
    ),
  );
  return remote;
}

export interface Status {
  readonly state: "running" | "done" | "failed" | "stopped";
  readonly text: string;
  readonly reason?: string;
}

const states: Readonly<Record<string, Status["state"]>> = {
  Completed: "done",
  Succeeded: "done",
  Failed: "failed",
  Stopped: "stopped",
};

export async function status(remote: Remote): Promise<Status> {
  const sdk = await import("@aws-sdk/client-sagemaker");
  const sagemaker = await client(remote.region);
  if (remote.kind === "training-job") {
    const job = await call("sagemaker", "DescribeTrainingJob", () =>
      sagemaker.send(new sdk.DescribeTrainingJobCommand({ TrainingJobName: remote.id })),
    );
    const reason = job.FailureReason;
    return {
      state: states[job.TrainingJobStatus ?? ""] ?? "running",
      text: `${job.TrainingJobStatus}: ${job.SecondaryStatus}`,
      ...(reason === undefined ? {} : { reason }),
    };
  }
  const run = await call("sagemaker", "DescribePipelineExecution", () =>
    sagemaker.send(new sdk.DescribePipelineExecutionCommand({ PipelineExecutionArn: remote.id })),
  );
  const reason = run.FailureReason;
  return {
    state: states[run.PipelineExecutionStatus ?? ""] ?? "running",
    text: `${run.PipelineExecutionStatus}`,
    ...(reason === undefined ? {} : { reason }),
  };
}

/** Waits for the end; throws where it is not a good one. */
export async function follow(
  remote: Remote,
  onStatus: (status: Status) => void,
  seconds = 30,
  signal?: AbortSignal,
): Promise<Status> {
  let last = "";
  for (;;) {
    const now = await status(remote);
    if (now.text !== last) onStatus(now);
    last = now.text;
    if (now.state === "done") return now;
    if (now.state !== "running") {
      const capacity = /capacity/i.test(now.reason ?? "");
      throw new RemoteFailure(
        capacity
          ? emitCodes.report(
              "LLMP5106",
              undefined,
              { reason: now.reason ?? "" },
              { hints: ["try again later, another region, or a training plan"] },
            )
          : emitCodes.report(
              "LLMP5109",
              undefined,
              { job: remote.id, status: now.state, reason: now.reason ?? "no reason given" },
              { hints: ["llmp logs shows its output", "llmp run --resume --yes goes on from its last checkpoint"] },
            ),
      );
    }
    if (signal?.aborted === true) return now;
    await new Promise((done) => setTimeout(done, seconds * 1000));
  }
}

export async function stop(remote: Remote): Promise<void> {
  const sdk = await import("@aws-sdk/client-sagemaker");
  const sagemaker = await client(remote.region);
  if (remote.kind === "training-job")
    await call("sagemaker", "StopTrainingJob", () =>
      sagemaker.send(new sdk.StopTrainingJobCommand({ TrainingJobName: remote.id })),
    );
  else
    await call("sagemaker", "StopPipelineExecution", () =>
      sagemaker.send(
        new sdk.StopPipelineExecutionCommand({
          PipelineExecutionArn: remote.id,
          ClientRequestToken: "llmp-stop".padEnd(32, "0"),
        }),
      ),
    );
}

/** Log lines of a training job since `after` (milliseconds), oldest first. */
export async function logs(
  remote: Remote,
  after = 0,
): Promise<readonly { readonly at: number; readonly text: string }[]> {
  const sdk = await import("@aws-sdk/client-cloudwatch-logs");
  const cloudwatch = new sdk.CloudWatchLogsClient(config(remote.region));
  const found: { at: number; text: string }[] = [];
  let nextToken: string | undefined;
  do {
    const page = await call("logs", "FilterLogEvents", () =>
      cloudwatch.send(
        new sdk.FilterLogEventsCommand({
          logGroupName: "/aws/sagemaker/TrainingJobs",
          logStreamNamePrefix: `${remote.id}/`,
          startTime: after,
          ...(nextToken === undefined ? {} : { nextToken }),
        }),
      ),
    );
    for (const event of page.events ?? []) found.push({ at: event.timestamp ?? 0, text: event.message ?? "" });
    nextToken = page.nextToken;
  } while (nextToken !== undefined);
  return found;
}
