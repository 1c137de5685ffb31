/**
 * Submission through the real AWS SDK to moto's server. It checks almost nothing itself (our validator does), and has no
 * StopTrainingJob and no Batch service jobs: those are tested on recorded answers below.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { awsFailure, redact } from "../../src/cli/remote/errors.js";
import {
  describe as describeSubmission,
  prepare,
  remoteOf,
  runRemote,
  status,
  stop,
} from "../../src/cli/remote/index.js";
import { emit } from "../../src/emit/index.js";
import type { Plan } from "../../src/planner/plan.js";
import { cases } from "../emit/fixtures/cases.js";
import { moto as makeMoto, missing } from "./venv.js";

const moto = await makeMoto();
if (missing(moto)) console.warn(`moto is not used: ${moto.reason}`);
const root = mkdtempSync(join(tmpdir(), "llmp-aws-"));
const saved = { ...process.env };

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as { port: number };
  await new Promise((done) => server.close(done));
  return port;
}

const plan = (name: string): Plan => (cases[name] as () => Plan)();

describe.skipIf(missing(moto))(`moto${missing(moto) ? ` (${moto.reason})` : ""}`, { timeout: 60_000 }, () => {
  let server: ChildProcess;
  beforeAll(async () => {
    if (missing(moto)) return;
    const port = await freePort();
    server = spawn(join(moto.bin, "moto_server"), ["-H", "127.0.0.1", "-p", String(port)], { stdio: "ignore" });
    const url = `http://127.0.0.1:${port}`;
    for (let i = 0; i < 150; i++) {
      if (
        await fetch(url)
          .then(() => true)
          .catch(() => false)
      )
        break;
      await new Promise((done) => setTimeout(done, 200));
    }
    Object.assign(process.env, {
      AWS_ENDPOINT_URL: url,
      AWS_ACCESS_KEY_ID: "test",
      AWS_SECRET_ACCESS_KEY: "not-a-secret-value",
      AWS_REGION: "us-east-1",
    });
    const { S3Client, CreateBucketCommand } = await import("@aws-sdk/client-s3");
    await new S3Client({ forcePathStyle: true }).send(new CreateBucketCommand({ Bucket: "bucket" }));
    mkdirSync(join(root, "data", "math"), { recursive: true });
    writeFileSync(join(root, "data", "math", "a.jsonl"), '{"problem":"1+1","solution":"2"}\n');
  }, 60_000);
  afterAll(() => {
    server?.kill();
    process.env = saved;
    rmSync(root, { recursive: true, force: true });
  });

  it("shows what would be created, and creates nothing without --yes", async () => {
    const said: string[] = [];
    expect(
      await runRemote(plan("trl-sft-lora"), {
        root,
        folder: join(root, "runs", "dry"),
        yes: false,
        say: (l) => said.push(l),
      }),
    ).toBeUndefined();
    expect(said.join("\n")).toMatch(/training job toy-tune-01234567/);
    expect(said.join("\n")).toMatch(/1 × ml\.g6e\.2xlarge \(spot\)/);
    const { SageMakerClient, ListTrainingJobsCommand } = await import("@aws-sdk/client-sagemaker");
    expect((await new SageMakerClient({}).send(new ListTrainingJobsCommand({}))).TrainingJobSummaries).toEqual([]);
  });

  it("uploads the engine's files, creates the job, follows it to its end, and remembers it", async () => {
    const folder = join(root, "runs", "one");
    const said: string[] = [];
    const remote = await runRemote(plan("trl-sft-lora"), {
      root,
      folder,
      yes: true,
      poll: 0.1,
      say: (l) => said.push(l),
    });
    expect(remote?.kind).toBe("training-job");
    expect(remoteOf(folder)).toEqual(remote);
    expect(said.join("\n")).toMatch(/Completed/);
    const { S3Client, GetObjectCommand, ListObjectsV2Command } = await import("@aws-sdk/client-s3");
    const s3 = new S3Client({ forcePathStyle: true });
    const listed = await s3.send(new ListObjectsV2Command({ Bucket: "bucket", Prefix: "llmp/jobs/" }));
    expect(listed.Contents?.map((o) => o.Key?.split("/").pop())).toEqual(
      expect.arrayContaining(["entry.sh", "train.yaml", "accelerate.yaml"]),
    );
    const got = await s3.send(
      new GetObjectCommand({ Bucket: "bucket", Key: `llmp/jobs/${remote?.id}/engine/train.yaml` }),
    );
    expect(await got.Body?.transformToString()).toContain('kind: "sft"');
    const { SageMakerClient, DescribeTrainingJobCommand } = await import("@aws-sdk/client-sagemaker");
    const job = await new SageMakerClient({}).send(new DescribeTrainingJobCommand({ TrainingJobName: remote?.id }));
    expect(job.ResourceConfig?.InstanceType).toBe("ml.g6e.2xlarge");
    expect(job.EnableManagedSpotTraining).toBe(true);
    for (const file of ["plan.json", "remote.json"])
      expect(readFileSync(join(folder, file), "utf8")).not.toContain("not-a-secret-value");
    expect(said.join("\n")).not.toContain("not-a-secret-value");
  });

  it("submits several stages as a pipeline, with local data uploaded", async () => {
    const folder = join(root, "runs", "two");
    const remote = await runRemote(plan("stages-sft-grpo"), {
      root,
      folder,
      yes: true,
      detach: true,
      say: () => undefined,
    });
    expect(remote?.kind).toBe("pipeline");
    const { SageMakerClient, DescribePipelineCommand } = await import("@aws-sdk/client-sagemaker");
    const pipeline = await new SageMakerClient({}).send(new DescribePipelineCommand({ PipelineName: "toy-01234567" }));
    const definition = JSON.parse(pipeline.PipelineDefinition ?? "{}") as {
      Steps: { Name: string; DependsOn?: string[] }[];
    };
    expect(definition.Steps.map((s) => s.Name)).toEqual(["cold", "reason"]);
    expect(definition.Steps[1]?.DependsOn).toEqual(["cold"]);
    expect(JSON.stringify(definition.Steps[1])).toContain("Steps.cold.ModelArtifacts.S3ModelArtifacts");
    const { S3Client, ListObjectsV2Command } = await import("@aws-sdk/client-s3");
    const listed = await new S3Client({ forcePathStyle: true }).send(
      new ListObjectsV2Command({ Bucket: "bucket", Prefix: "llmp/inputs/" }),
    );
    expect(listed.Contents?.map((o) => o.Key).join()).toMatch(/data-math\/a\.jsonl/);
    expect((await status(remote as NonNullable<typeof remote>)).state).toMatch(/done|running/);
  });

  it("registers and submits Batch jobs", async () => {
    const sdk = await import("@aws-sdk/client-batch");
    const client = new sdk.BatchClient({});
    const { IAMRole } = { IAMRole: "arn:aws:iam::123456789012:role/llmp" };
    const environment = await client
      .send(
        new sdk.CreateComputeEnvironmentCommand({
          computeEnvironmentName: "trn-env",
          type: "UNMANAGED",
          state: "ENABLED",
          serviceRole: IAMRole,
        }),
      )
      .catch((e: Error) => e);
    const files = new Map((await emit("batch", plan("trainium-batch"))).value?.map((f) => [f.path, f.text]));
    const definition = JSON.parse(files.get("register-job-definition.json") ?? "{}") as never;
    const registered = await client.send(new sdk.RegisterJobDefinitionCommand(definition));
    expect(registered.jobDefinitionArn).toContain("job-definition/toy-base-01234567");
    if (environment instanceof Error) return;
    await client.send(
      new sdk.CreateJobQueueCommand({
        jobQueueName: "trn",
        priority: 1,
        computeEnvironmentOrder: [{ order: 1, computeEnvironment: environment.computeEnvironmentArn }],
      }),
    );
    const submitted = await client.send(
      new sdk.SubmitJobCommand(JSON.parse(files.get("submit-job.json") ?? "{}") as never),
    );
    expect(submitted.jobId).toBeTruthy();
  });

  it("says what is wrong when the server has no such operation (moto has no StopTrainingJob)", async () => {
    await expect(stop({ kind: "training-job", id: "nothing", region: "us-east-1" })).rejects.toThrow(/LLMP510[78]/);
  });
});

describe("errors of AWS in the user's words", () => {
  const error = (name: string, message: string): Error =>
    Object.assign(new Error(message), { name, $metadata: { httpStatusCode: 400 } });
  it.each([
    ["CredentialsProviderError", "Could not load credentials from any providers", "LLMP5104"],
    ["ExpiredTokenException", "The security token included in the request is expired", "LLMP5104"],
    [
      "ResourceLimitExceeded",
      "The account-level service limit 'ml.p5.48xlarge for training job usage' is 0 Instances",
      "LLMP5105",
    ],
    [
      "CapacityError",
      "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error",
      "LLMP5106",
    ],
    ["AccessDeniedException", "User is not authorized to perform: sagemaker:CreateTrainingJob", "LLMP5107"],
    ["ValidationException", "1 validation error detected", "LLMP5108"],
  ])("%s", (name, message, code) => {
    const { diagnostic } = awsFailure(error(name, message), "sagemaker", "CreateTrainingJob");
    expect(diagnostic.code).toBe(code);
    if (code !== "LLMP5108") expect(diagnostic.hints.length).toBeGreaterThan(0);
  });

  it("never repeats a secret", () => {
    const text = redact(
      "AKIAIOSFODNN7EXAMPLE aws_secret_access_key=wJalrXUtnFEMI/K7MDENG X-Amz-Signature=abc123&x=1 session_token: 'FwoGZXIvYXdz'",
    );
    expect(text).not.toMatch(/IOSFODNN7|wJalrXUtn|abc123|FwoGZXIvYXdz/);
  });

  it("does not submit what it cannot (Batch): the hint names llmp emit", async () => {
    await expect(
      runRemote(plan("trainium-batch"), { root, folder: root, yes: false, say: () => undefined }),
    ).rejects.toThrow(/LLMP5005/);
  });

  it("gives a second run of the same plan another job name", async () => {
    const submission = await prepare(plan("trl-sft-lora"), root, "r2");
    expect(submission.job?.TrainingJobName).toBe("toy-tune-01234567-r2");
    expect(describeSubmission(submission)).toContain("toy-tune-01234567-r2");
  });
});
