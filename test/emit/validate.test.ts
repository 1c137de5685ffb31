import { describe, expect, it } from "vitest";
import { requestProblems, validateRequest } from "../../src/emit/validate/index.js";

const job = (over: Record<string, unknown> = {}): Record<string, unknown> => ({
  TrainingJobName: "a-job",
  RoleArn: "arn:aws:iam::111122223333:role/llmp",
  AlgorithmSpecification: { TrainingImage: "image:1", TrainingInputMode: "File" },
  OutputDataConfig: { S3OutputPath: "s3://bucket/out" },
  ResourceConfig: { InstanceType: "ml.p5.48xlarge", InstanceCount: 2 },
  StoppingCondition: { MaxRuntimeInSeconds: 3600 },
  ...over,
});

const paths = (body: unknown): string[] =>
  requestProblems("CreateTrainingJob", body).map((p) => `${p.path} ${p.problem}`);

describe("CreateTrainingJob", () => {
  it("accepts a plain job", () => expect(paths(job())).toEqual([]));

  it("LLMP5003 for each problem", () =>
    expect(validateRequest("CreateTrainingJob", job({ RoleArn: undefined }))).toMatchObject([{ code: "LLMP5003" }]));

  it.each<[string, Record<string, unknown>, RegExp]>([
    ["a missing role", { RoleArn: undefined }, /lacks RoleArn/],
    ["an unknown field", { Foo: 1 }, /Foo is not a field/],
    ["a name with an underscore", { TrainingJobName: "a_job" }, /TrainingJobName does not match/],
    ["a name of 64", { TrainingJobName: "a".repeat(64) }, /more than 63/],
    ["an unknown instance", { ResourceConfig: { InstanceType: "ml.nonsense", InstanceCount: 1 } }, /not one of/],
    [
      "a fraction of an instance",
      { ResourceConfig: { InstanceType: "ml.p5.48xlarge", InstanceCount: 1.5 } },
      /whole number/,
    ],
    [
      "300 hyperparameters",
      { HyperParameters: Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`k${i}`, "v"])) },
      /300 entries/,
    ],
    ["a hyperparameter of 300 characters", { HyperParameters: { a: "v".repeat(300) } }, /longer than 256/],
    ["an environment value of 513", { Environment: { A: "v".repeat(513) } }, /more than 512/],
    ["an environment key with a dash", { Environment: { "A-B": "v" } }, /does not match/],
    [
      "spot without a wait",
      { EnableManagedSpotTraining: true, CheckpointConfig: { S3Uri: "s3://b/c" } },
      /lacks MaxWaitTimeInSeconds/,
    ],
    [
      "a wait below the run",
      {
        EnableManagedSpotTraining: true,
        CheckpointConfig: { S3Uri: "s3://b/c" },
        StoppingCondition: { MaxRuntimeInSeconds: 100, MaxWaitTimeInSeconds: 50 },
      },
      /below MaxRuntimeInSeconds/,
    ],
    [
      "spot without checkpoints",
      { EnableManagedSpotTraining: true, StoppingCondition: { MaxRuntimeInSeconds: 1, MaxWaitTimeInSeconds: 2 } },
      /CheckpointConfig/,
    ],
    [
      "a volume on NVMe",
      { ResourceConfig: { InstanceType: "ml.p5.48xlarge", InstanceCount: 1, VolumeSizeInGB: 100 } },
      /VolumeSizeInGB is not taken/,
    ],
    [
      "preferences with a type",
      {
        ResourceConfig: {
          InstanceType: "ml.p5.48xlarge",
          InstancePreferences: [{ InstanceType: "ml.p5.48xlarge", InstanceCount: 1 }],
        },
      },
      /excludes InstancePreferences/,
    ],
    [
      "preferences with spot",
      {
        EnableManagedSpotTraining: true,
        CheckpointConfig: { S3Uri: "s3://b/c" },
        StoppingCondition: { MaxRuntimeInSeconds: 1, MaxWaitTimeInSeconds: 2 },
        ResourceConfig: { InstancePreferences: [{ InstanceType: "ml.p5.48xlarge", InstanceCount: 1 }] },
      },
      /EnableManagedSpotTraining excludes/,
    ],
    [
      "a type twice among the preferences",
      {
        ResourceConfig: {
          InstanceCount: 1,
          InstancePreferences: [{ InstanceType: "ml.p5.48xlarge" }, { InstanceType: "ml.p5.48xlarge" }],
        },
      },
      /instance type twice/,
    ],
    [
      "counts of preferences in both places",
      {
        ResourceConfig: {
          InstanceCount: 1,
          InstancePreferences: [{ InstanceType: "ml.p5.48xlarge", InstanceCount: 1 }],
        },
      },
      /in ResourceConfig or in every preference/,
    ],
    [
      "counts of some preferences only",
      {
        ResourceConfig: {
          InstancePreferences: [
            { InstanceType: "ml.p5.48xlarge", InstanceCount: 1 },
            { InstanceType: "ml.p5en.48xlarge" },
          ],
        },
      },
      /in ResourceConfig or in every preference/,
    ],
    [
      "what only answers hold",
      { ResourceConfig: { InstanceType: "ml.p5.48xlarge", InstanceCount: 1, SelectedInstanceCount: 1 } },
      /SelectedInstanceCount is read-only/,
    ],
    ["30 days", { StoppingCondition: { MaxRuntimeInSeconds: 30 * 86_400 } }, /above 28 days/],
    [
      "a file system without a VPC",
      {
        InputDataConfig: [
          {
            ChannelName: "d",
            DataSource: {
              FileSystemDataSource: {
                FileSystemId: "fs-0123456789a",
                FileSystemType: "FSxLustre",
                FileSystemAccessMode: "ro",
                DirectoryPath: "/fsx",
              },
            },
          },
        ],
      },
      /VpcConfig is missing/,
    ],
    [
      "two channels of one name",
      {
        InputDataConfig: [1, 2].map(() => ({
          ChannelName: "d",
          DataSource: { S3DataSource: { S3DataType: "S3Prefix", S3Uri: "s3://b/x" } },
        })),
      },
      /two channels/,
    ],
    ["no image", { AlgorithmSpecification: { TrainingInputMode: "File" } }, /exactly one of/],
    [
      "101 arguments",
      {
        AlgorithmSpecification: {
          TrainingImage: "i",
          TrainingInputMode: "File",
          ContainerArguments: Array.from({ length: 101 }, () => "x"),
        },
      },
      /more than 100/,
    ],
    [
      "a wait without spot",
      { StoppingCondition: { MaxRuntimeInSeconds: 1, MaxWaitTimeInSeconds: 2 } },
      /only for spot/,
    ],
  ])("refuses %s", (_, over, problem) => {
    const body = job(over);
    for (const key of Object.keys(body)) if (body[key] === undefined) delete body[key];
    expect(paths(body).join("\n")).toMatch(problem);
  });
});

describe("Batch", () => {
  it("refuses a main node outside, short timeouts, unknown device permissions", () => {
    const found = requestProblems("RegisterJobDefinition", {
      jobDefinitionName: "a b",
      type: "multinode",
      timeout: { attemptDurationSeconds: 10 },
      nodeProperties: {
        numNodes: 2,
        mainNode: 2,
        nodeRangeProperties: [
          {
            targetNodes: "0:",
            container: { image: "i", linuxParameters: { devices: [{ hostPath: "/dev/x", permissions: ["ALL"] }] } },
          },
        ],
      },
    }).map((p) => p.problem);
    expect(found.join("\n")).toMatch(/not below numNodes/);
    expect(found.join("\n")).toMatch(/below 60/);
    expect(found.join("\n")).toMatch(/letters, digits/);
    expect(found.join("\n")).toMatch(/not one of the 3 allowed/);
  });
});
