/** Documented rules between fields (API reference of CreateTrainingJob, Batch; read 2026-11). Mock servers check none of them. */
import type { Problem, RequestName } from "./types.js";

type Json = { readonly [key: string]: unknown };

const record = (value: unknown): Json => (typeof value === "object" && value !== null ? (value as Json) : {});
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** Instance families whose storage is local NVMe: no EBS volume may be asked for ("the storage is fixed"). */
export const nvmeOnly = /^ml\.(p4d|p4de|p5|p5e|p5en|p6|p6e|g4dn|g5|g6|g6e|trn1|trn1n|trn2)[.-]/;
const maxDays = 28 * 24 * 3600;

function trainingJob(body: Json): Problem[] {
  const found: Problem[] = [];
  const say = (path: string, problem: string): void => {
    found.push({ path, problem });
  };
  const resources = record(body.ResourceConfig);
  const stop = record(body.StoppingCondition);
  const spot = body.EnableManagedSpotTraining === true;
  const run = stop.MaxRuntimeInSeconds;
  const wait = stop.MaxWaitTimeInSeconds;
  if (spot && typeof wait !== "number")
    say("StoppingCondition", "lacks MaxWaitTimeInSeconds, which spot training needs");
  if (!spot && wait !== undefined) say("StoppingCondition.MaxWaitTimeInSeconds", "is only for spot training");
  if (typeof wait === "number" && typeof run === "number" && wait < run)
    say("StoppingCondition.MaxWaitTimeInSeconds", `is ${wait}, below MaxRuntimeInSeconds ${run}`);
  if (typeof run === "number" && run > maxDays) say("StoppingCondition.MaxRuntimeInSeconds", "is above 28 days");
  if (spot && body.CheckpointConfig === undefined)
    say("CheckpointConfig", "is missing: a spot job without checkpoints starts over at each interruption");
  if (body.ServerlessJobConfig === undefined) {
    for (const key of ["AlgorithmSpecification", "ResourceConfig", "StoppingCondition"])
      if (body[key] === undefined) say("(request)", `lacks ${key}`);
  }
  const preferences = resources.InstancePreferences !== undefined;
  const groups = resources.InstanceGroups !== undefined;
  if (preferences) {
    for (const key of ["InstanceType", "InstanceGroups", "InstancePlacementConfig"])
      if (resources[key] !== undefined) say(`ResourceConfig.${key}`, "excludes InstancePreferences");
    if (spot) say("EnableManagedSpotTraining", "excludes InstancePreferences");
    const choices = list(resources.InstancePreferences).map(record);
    if (new Set(choices.map((c) => c.InstanceType)).size !== choices.length)
      say("ResourceConfig.InstancePreferences", "has an instance type twice");
    const counted = choices.filter((c) => c.InstanceCount !== undefined).length;
    if (resources.InstanceCount === undefined ? counted !== choices.length : counted > 0)
      say(
        "ResourceConfig.InstancePreferences",
        "needs InstanceCount in ResourceConfig or in every preference, not both",
      );
    if (resources.TrainingPlanArn !== undefined && choices.some((c) => c.TrainingPlanArns !== undefined))
      say("ResourceConfig.TrainingPlanArn", "excludes TrainingPlanArns in InstancePreferences");
  } else if (!groups && body.ResourceConfig !== undefined) {
    if (resources.InstanceType === undefined) say("ResourceConfig", "lacks InstanceType");
    if (resources.InstanceCount === undefined) say("ResourceConfig", "lacks InstanceCount");
  }
  if (groups)
    for (const key of ["InstanceType", "InstanceCount", "InstancePlacementConfig"])
      if (resources[key] !== undefined) say(`ResourceConfig.${key}`, "excludes InstanceGroups");
  const placed = list(record(resources.InstancePlacementConfig).PlacementSpecifications).map(
    (p) => record(p).InstanceCount,
  );
  if (placed.length > 0 && typeof resources.InstanceCount === "number") {
    const sum = placed.reduce<number>((total, n) => total + (typeof n === "number" ? n : 0), 0);
    if (sum > resources.InstanceCount)
      say("ResourceConfig.InstancePlacementConfig", `places ${sum} instances, there are ${resources.InstanceCount}`);
  }
  for (const key of ["SelectedInstanceType", "SelectedInstanceCount"])
    if (resources[key] !== undefined) say(`ResourceConfig.${key}`, "is read-only: AWS fills it in");
  if (resources.TrainingPlanArn !== undefined && spot) say("ResourceConfig.TrainingPlanArn", "excludes spot training");
  if (resources.KeepAlivePeriodInSeconds !== undefined && spot)
    say("ResourceConfig.KeepAlivePeriodInSeconds", "excludes spot training (warm pools are on demand)");
  const types = [resources.InstanceType, ...list(resources.InstanceGroups).map((g) => record(g).InstanceType)].filter(
    (t): t is string => typeof t === "string",
  );
  if (resources.VolumeSizeInGB !== undefined && types.length > 0 && types.every((t) => nvmeOnly.test(t)))
    say("ResourceConfig.VolumeSizeInGB", "is not taken by instances with NVMe storage");
  for (const [key, value] of Object.entries(record(body.HyperParameters)))
    if (typeof value === "string" && value.length > 256) say(`HyperParameters.${key}`, "is longer than 256 characters");
  const names = list(body.InputDataConfig).map((c) => record(c).ChannelName);
  if (new Set(names).size !== names.length) say("InputDataConfig", "has two channels of one name");
  for (const [i, channel] of list(body.InputDataConfig).entries()) {
    const source = record(record(channel).DataSource);
    const kinds = Object.keys(source).length;
    if (kinds !== 1) say(`InputDataConfig[${i}].DataSource`, `has ${kinds} sources, not 1`);
    const mode = record(channel).InputMode ?? record(body.AlgorithmSpecification).TrainingInputMode;
    if (
      mode === "FastFile" &&
      record(source.S3DataSource).S3DataType !== "S3Prefix" &&
      source.S3DataSource !== undefined
    )
      say(`InputDataConfig[${i}]`, "FastFile takes S3Prefix only");
    if (source.FileSystemDataSource !== undefined && body.VpcConfig === undefined)
      say("VpcConfig", "is missing: file systems are reached through a VPC");
  }
  const algorithm = record(body.AlgorithmSpecification);
  if (
    body.AlgorithmSpecification !== undefined &&
    (algorithm.TrainingImage === undefined) === (algorithm.AlgorithmName === undefined)
  )
    say("AlgorithmSpecification", "needs exactly one of TrainingImage and AlgorithmName");
  return found;
}

function jobDefinition(body: Json): Problem[] {
  const found: Problem[] = [];
  const say = (path: string, problem: string): void => {
    found.push({ path, problem });
  };
  if (typeof body.jobDefinitionName === "string" && !/^[A-Za-z0-9_-]{1,128}$/.test(body.jobDefinitionName))
    say("jobDefinitionName", "is not 1 to 128 letters, digits, - and _");
  if (body.type === "multinode") {
    if (body.nodeProperties === undefined) say("(request)", "lacks nodeProperties, which multinode needs");
    const nodes = record(body.nodeProperties);
    if (typeof nodes.mainNode === "number" && typeof nodes.numNodes === "number" && nodes.mainNode >= nodes.numNodes)
      say("nodeProperties.mainNode", "is not below numNodes");
    if (body.containerProperties !== undefined) say("containerProperties", "excludes multinode");
  } else if (
    body.type === "container" &&
    body.containerProperties === undefined &&
    body.eksProperties === undefined &&
    body.ecsProperties === undefined
  ) {
    say("(request)", "lacks containerProperties");
  }
  const timeout = record(body.timeout).attemptDurationSeconds;
  if (typeof timeout === "number" && timeout < 60) say("timeout.attemptDurationSeconds", "is below 60");
  const attempts = record(body.retryStrategy).attempts;
  if (typeof attempts === "number" && (attempts < 1 || attempts > 10))
    say("retryStrategy.attempts", "is not from 1 to 10");
  return found;
}

export function ruleProblems(request: RequestName, body: unknown): Problem[] {
  const fields = record(body);
  if (request === "CreateTrainingJob") return trainingJob(fields);
  if (request === "RegisterJobDefinition") return jobDefinition(fields);
  if (request === "CreatePipeline") {
    const both = fields.PipelineDefinition !== undefined && fields.PipelineDefinitionS3Location !== undefined;
    const none = fields.PipelineDefinition === undefined && fields.PipelineDefinitionS3Location === undefined;
    return both || none
      ? [{ path: "(request)", problem: "needs exactly one of PipelineDefinition and PipelineDefinitionS3Location" }]
      : [];
  }
  if (request === "SubmitJob" || request === "SubmitServiceJob") {
    const name = fields.jobName;
    return typeof name === "string" && !/^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/.test(name)
      ? [{ path: "jobName", problem: "is not 1 to 128 letters, digits, - and _" }]
      : [];
  }
  return [];
}
