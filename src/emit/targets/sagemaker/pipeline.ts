/** Several stages as a SageMaker Pipeline: one Training step each, outputs wired to inputs. */
import type { CreatePipelineRequest, CreateTrainingJobRequest } from "@aws-sdk/client-sagemaker";
import type { Outcome } from "../../../diagnostics/index.js";
import { inputs } from "../../common/entry.js";
import { slug } from "../../common/names.js";
import type { LoweredStage } from "../../common/target.js";
import { validateRequest } from "../../validate/index.js";

type Argument = string | number | boolean | readonly Argument[] | { readonly [key: string]: Argument };

/** The job of a step: its model channels read what the earlier step wrote, whatever that step's job is called. */
function stepArguments(job: CreateTrainingJobRequest, stage: LoweredStage, all: readonly LoweredStage[]): Argument {
  const { TrainingJobName: _, ...body } = job;
  const wired = new Map(
    inputs(stage.view)
      .filter((input) => input.kind === "stage" && all.some((s) => s.view.stage.name === input.from))
      .map((input) => [input.channel, input.from]),
  );
  const channels = (body.InputDataConfig ?? []).map((channel) => {
    const from = wired.get(channel.ChannelName ?? "");
    if (from === undefined) return channel;
    const source = channel.DataSource?.S3DataSource;
    return {
      ...channel,
      DataSource: { S3DataSource: { ...source, S3Uri: { Get: `Steps.${from}.ModelArtifacts.S3ModelArtifacts` } } },
    };
  });
  return JSON.parse(JSON.stringify({ ...body, InputDataConfig: channels })) as Argument;
}

export function createPipeline(
  stages: readonly LoweredStage[],
  jobs: readonly CreateTrainingJobRequest[],
): Outcome<CreatePipelineRequest> {
  const first = stages[0];
  const job = jobs[0];
  if (first === undefined || job?.RoleArn === undefined) return { diagnostics: [] };
  const { plan } = first.view;
  const stem = (plan.source.split("/").pop() ?? "llmp").replace(/\.(llmp|json)$/, "");
  const definition = {
    Version: "2020-12-01",
    Metadata: {},
    Parameters: [],
    Steps: stages.map((stage, i) => {
      const from = [
        ...new Set(
          inputs(stage.view)
            .filter((x) => x.kind === "stage")
            .map((x) => x.from),
        ),
      ];
      return {
        Name: stage.view.stage.name,
        Type: "Training",
        Arguments: stepArguments(jobs[i] as CreateTrainingJobRequest, stage, stages),
        ...(from.length === 0 ? {} : { DependsOn: from }),
        RetryPolicies: [
          {
            ExceptionType: ["Step.SERVICE_FAULT", "Step.THROTTLING"],
            IntervalSeconds: 30,
            BackoffRate: 2,
            MaxAttempts: 5,
          },
          {
            ExceptionType: ["SageMaker.CAPACITY_ERROR", "SageMaker.RESOURCE_LIMIT"],
            IntervalSeconds: 300,
            BackoffRate: 2,
            ExpireAfterMin: 1440,
          },
        ],
      };
    }),
  };
  const name = slug([stem, plan.hash.slice(0, 8)], 256);
  const body: CreatePipelineRequest = {
    PipelineName: name,
    PipelineDisplayName: name,
    PipelineDefinition: JSON.stringify(definition),
    // The same plan makes the same request: a second call with it changes nothing.
    ClientRequestToken: plan.hash
      .replace(/[^0-9a-f]/g, "")
      .padEnd(32, "0")
      .slice(0, 64),
    RoleArn: job.RoleArn,
    Tags: [{ Key: "llmp-plan", Value: plan.hash.slice(0, 64) }],
    ParallelismConfiguration: { MaxParallelExecutionSteps: Math.max(1, stages.length) },
  };
  const problems = validateRequest("CreatePipeline", body);
  return problems.length > 0 ? { diagnostics: problems } : { value: body, diagnostics: [] };
}
