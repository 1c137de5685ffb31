/** The machines of a training job, from a `.llmp` text through the real stages: groups, fallbacks, UltraServers, training plans. */
import type { CreateTrainingJobRequest } from "@aws-sdk/client-sagemaker";
import { describe, expect, it } from "vitest";
import { emit, validateRequest } from "../../src/emit/index.js";
import type { Plan } from "../../src/planner/plan.js";
import { cases } from "./fixtures/cases.js";
import { planOf } from "./fixtures/examples.js";
import { aws, model, plan } from "./fixtures/plans.js";

const text = (cluster: string): string => `
dataset web { source = "s3://b/web/*.jsonl", tokens = 4B }
tokenizer tok { kind = bpe, file = "s3://b/tok/tokenizer.json" }
model small { architecture = llama, layers = 8, hidden = 1024, heads = 16, kv_heads = 8, ffn = 4096, vocab = 32000, context_length = 2048 }
cluster c {
  provider = sagemaker
  region   = "us-east-1"
  role     = "arn:aws:iam::111122223333:role/train"
  storage  = "s3://bucket/runs"
${cluster}
}
train go { objective = pretrain, model = small, data = web, tokenizer = tok, steps = 15000, batch = 128 sequences, precision = bf16, save = every 10 steps, on = c }
`;

async function job(of: Plan): Promise<CreateTrainingJobRequest> {
  const { value, diagnostics } = await emit("sagemaker", of);
  expect(diagnostics.map((d) => d.message)).toEqual([]);
  const request = JSON.parse(value?.find((f) => f.path === "create-training-job.json")?.text ?? "");
  expect(validateRequest("CreateTrainingJob", request)).toEqual([]);
  return request as CreateTrainingJobRequest;
}

const why = async (of: Plan): Promise<string> =>
  (await emit("sagemaker", of)).diagnostics.flatMap((d) => [d.message, ...d.hints]).join("\n");

const planned = (cluster: string): Plan => planOf("resources.llmp", text(cluster));

describe("several types of machines in one job", () => {
  const mixed = `
  instance = ml.p4d.24xlarge
  count    = 4
  groups   = [{ instance = ml.p4d.24xlarge, count = 3 }, { instance = ml.p4de.24xlarge, count = 1 }]`;

  it("become InstanceGroups, planned as the least of them and paid as they are", async () => {
    const of = planned(mixed);
    expect((await job(of)).ResourceConfig).toEqual({
      InstanceGroups: [
        { InstanceGroupName: "p4d-24xlarge", InstanceType: "ml.p4d.24xlarge", InstanceCount: 3 },
        { InstanceGroupName: "p4de-24xlarge", InstanceType: "ml.p4de.24xlarge", InstanceCount: 1 },
      ],
    });
    const rate = (instance: string): number =>
      planned(`instance = ${instance}, count = 4`).stages[0]?.cost.usd_per_hour ?? Number.NaN;
    expect(of.stages[0]?.cost.usd_per_hour).toBeCloseTo(
      0.75 * rate("ml.p4d.24xlarge") + 0.25 * rate("ml.p4de.24xlarge"),
      6,
    );
  });

  it.each([
    ["sum", "count = 1 }]", "count = 2 }]", /5 machines, count is 4/],
    ["weaker", "instance = ml.p4d.24xlarge\n", "instance = ml.p4de.24xlarge\n", /less than ml\.p4de/],
    ["twice", "instance = ml.p4de.24xlarge, count = 1", "instance = ml.p4d.24xlarge, count = 1", /twice/],
    ["open", "count    = 4", "count    = 2..4", /fixed number/],
  ])("are refused where they do not go together (%s)", (_, from, to, problem) => {
    expect(() => planned(mixed.replace(from, to))).toThrow(problem);
  });
});

describe("types to fall back on", () => {
  const some = `
  instance = ml.p5.48xlarge
  count    = 2
  fallback = [ml.p5en.48xlarge, ml.p5e.48xlarge]`;
  const arn = `arn:aws:sagemaker:us-east-1:111122223333:training-plan/mine`;

  it("become InstancePreferences, the planned type first", async () => {
    expect((await job(planned(some))).ResourceConfig).toEqual({
      InstancePreferences: [
        { InstanceType: "ml.p5.48xlarge" },
        { InstanceType: "ml.p5en.48xlarge" },
        { InstanceType: "ml.p5e.48xlarge" },
      ],
      InstanceCount: 2,
    });
  });

  it("leave a training plan to the planned type", async () => {
    const of = planned(`${some}\n  pricing = capacity_block\n  training_plan = "${arn}"`);
    expect((await job(of)).ResourceConfig?.InstancePreferences?.map((p) => p.TrainingPlanArns)).toEqual([
      [arn],
      undefined,
      undefined,
    ]);
  });

  it.each([
    ["spot", "count    = 2", "count    = 2\n  pricing = spot", /spot excludes it/],
    ["another number of accelerators", "ml.p5e.48xlarge", "ml.p5.4xlarge", /ml\.p5\.4xlarge has 1 H100/],
    ["itself", "ml.p5e.48xlarge", "ml.p5.48xlarge", /planned type already/],
    ["another provider", "count    = 2", "count    = 2\n  groups = []", /exclude each other/],
  ])("are refused where they cannot stand in (%s)", (_, from, to, problem) => {
    expect(() => planned(some.replace(from, to))).toThrow(problem);
  });

  it("are refused where the planned layout does not fit, or the precision is not there", async () => {
    const of = (type: string, peak: number, compute = "bf16"): Plan => {
      const made = plan({
        models: [model("small")],
        clusters: [aws("sagemaker", { instance: "ml.p5.48xlarge", options: { fallback: [type] } })],
        stages: [{ name: "go", engine: "megatron", parallel: { shard: "zero1", shard_group: 1 } }],
      });
      const copy = JSON.parse(JSON.stringify(made));
      copy.stages[0].memory.peak_bytes = peak;
      copy.pipeline.precisions.bf16.compute.value = compute;
      return copy as Plan;
    };
    expect(await why(of("ml.p4d.24xlarge", 60 * 1024 ** 3))).toMatch(/the plan needs 60(\.0)? GiB, it has/);
    expect(await why(of("ml.p4de.24xlarge", 2 ** 30, "fp8"))).toMatch(/A100-80GB-SXM lacks fp8/);
  });
});

describe("UltraServers", () => {
  const of = (count: number, ultraservers?: readonly string[], instance = "ml.p6e-gb200.36xlarge"): Plan =>
    plan({
      models: [model("small")],
      clusters: [aws("sagemaker", { instance, count, options: ultraservers === undefined ? {} : { ultraservers } })],
      stages: [
        {
          name: "go",
          engine: "megatron",
          count,
          devices: instance.includes("gb200") ? 4 : 8,
          accelerator: instance.includes("gb200") ? "GB200" : "H100-80GB-SXM",
          parallel: { shard: "zero1", shard_group: 1 },
        },
      ],
    });

  it("hold 18 machines of P6e-GB200 each, named or not", async () => {
    const placed = async (p: Plan) => (await job(p)).ResourceConfig?.InstancePlacementConfig?.PlacementSpecifications;
    expect(await placed(of(18))).toEqual([{ InstanceCount: 18 }]);
    expect(await placed(of(20))).toEqual([{ InstanceCount: 10 }, { InstanceCount: 10 }]);
    // Those of 36 GPUs hold nine.
    expect(await placed(of(18, ["us-a", "us-b"]))).toEqual([
      { UltraServerId: "us-a", InstanceCount: 9 },
      { UltraServerId: "us-b", InstanceCount: 9 },
    ]);
  });

  it("are refused where they cannot hold the job", async () => {
    expect(await why(of(20, ["us-a"]))).toMatch(/an UltraServer has 18 machines, the plan needs 20/);
    expect(await why(of(200))).toMatch(/on 10 UltraServers at most/);
    expect(await why(of(1, ["us-a", "us-b"]))).toMatch(/do not fill 2 UltraServers/);
    expect(await why(of(1, ["us-a"], "ml.p5.48xlarge"))).toMatch(/not a part of an UltraServer/);
  });
});

describe("training plans", () => {
  const arn = "arn:aws:sagemaker:us-east-1:111122223333:training-plan/mine";
  const of = (pricing: string, options: Record<string, unknown>): Plan => {
    const copy = JSON.parse(JSON.stringify((cases["trl-sft-lora"] as () => Plan)()));
    copy.stages[0].cost.pricing = pricing;
    for (const [key, value] of Object.entries(options)) copy.pipeline.clusters.c.options[key] = { value, from: "file" };
    return copy as Plan;
  };

  it("pay capacity blocks, by their ARN", async () => {
    expect((await job(of("capacity_block", { training_plan: arn }))).ResourceConfig?.TrainingPlanArn).toBe(arn);
    expect(await why(of("capacity_block", {}))).toMatch(/LLMP|needs training_plan/);
  });

  it("have an ARN as the service model says", async () => {
    for (const bad of ["mine", arn.replace("training-plan", "cluster"), arn.replace("111122223333", "1111")])
      expect(await why(of("capacity_block", { training_plan: bad })), bad).toMatch(/TrainingPlanArn/);
  });

  it("exclude spot, in the file and in the request", async () => {
    expect(await why(of("spot", { training_plan: arn }))).toMatch(/training_plan on spot/);
    const request = await job(of("capacity_block", { training_plan: arn }));
    const spot = {
      ...request,
      EnableManagedSpotTraining: true,
      StoppingCondition: { MaxRuntimeInSeconds: 60, MaxWaitTimeInSeconds: 120 },
    };
    expect(validateRequest("CreateTrainingJob", spot).map((d) => d.message)).toEqual([
      expect.stringMatching(/TrainingPlanArn excludes spot/),
    ]);
  });
});
