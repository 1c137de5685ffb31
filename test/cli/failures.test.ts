/** What goes wrong in real use: each ends with its code, the right exit code, and nothing half-written. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { execa } from "execa";
import { describe, expect, it, onTestFinished } from "vitest";
import { program } from "../built.js";
import { folder, llmp } from "./llmp.js";

const local = (extra = "", data = 'source = "data/corpus.txt", format = text, holdout = 5%'): string => `
tokenizer letters { kind = bytes }
dataset corpus { ${data} }
model small { architecture = llama, layers = 1, hidden = 32, heads = 2, kv_heads = 2, ffn = 64, vocab = 320, context_length = 32, tied_embeddings = true }
train base { objective = pretrain, model = small, data = corpus, steps = 4, batch = 2 sequences, precision = fp32, optimizer = adamw { lr = 1e-3 } ${extra} }
`;

function project(text: string, files: Readonly<Record<string, string>> = {}): string {
  const cwd = folder();
  mkdirSync(path.join(cwd, "data"));
  writeFileSync(path.join(cwd, "main.llmp"), text);
  for (const [name, content] of Object.entries(files)) writeFileSync(path.join(cwd, "data", name), content);
  return cwd;
}

const corpus = "So shaken as we are, so wan with care, find we a time for frighted peace to pant.\n".repeat(60);

describe("run", () => {
  it("LLMP3023: a dataset that is not there is an error before anything starts", async () => {
    const cwd = project(local());
    const { code, stderr } = await llmp(["run"], { cwd });
    expect(code).toBe(1);
    expect(stderr).toContain("LLMP3023");
    expect(existsSync(path.join(cwd, "runs"))).toBe(false);
  });

  it("LLMP6107: a dataset with nothing in it", async () => {
    const cwd = project(local(), { "corpus.txt": "" });
    const { code, stderr } = await llmp(["run"], { cwd });
    expect(code).toBe(3);
    expect(stderr).toContain("LLMP6107");
    expect(stderr).toContain("main.llmp:3");
  });

  it("LLMP6111: samples that are too long are cut, and counted", async () => {
    const row = JSON.stringify({ prompt: "say it", completion: "x".repeat(100) });
    const text = local("", 'source = "data/rows.jsonl", format = jsonl, prompt = "prompt", completion = "completion"');
    const cwd = project(text.replace("objective = pretrain", "objective = sft"), {
      "rows.jsonl": `${row}\n`.repeat(40),
    });
    const { code, stderr } = await llmp(["run", "--steps", "1"], { cwd });
    expect(stderr).toContain("LLMP6111");
    expect(stderr).toContain("40 samples");
    expect(code).toBe(0);
  });

  it.runIf(process.platform === "linux")("LLMP6002: WASM without address space for its heap", async () => {
    const cwd = project(local(), { "corpus.txt": corpus });
    const limited = `ulimit -v 8000000; exec "${process.execPath}" "${program}" run --backend wasm`;
    const { exitCode, stderr } = await execa("bash", ["-c", limited], { cwd, reject: false, stdin: "ignore" });
    expect(exitCode).toBe(3);
    expect(stderr).toMatch(/LLMP6002.*no room for its heap[\s\S]*ulimit -v/);
  });

  it("LLMP6002: a backend that cannot be had says how to get it", async () => {
    const cwd = project(local(), { "corpus.txt": corpus });
    const { code, stderr } = await llmp(["run", "--backend", "tensorflow-gpu"], {
      cwd,
      env: { HOME: cwd, XDG_CACHE_HOME: path.join(cwd, "cache") },
    });
    expect(code).toBe(3);
    expect(stderr).toContain("LLMP6002");
  });

  it("LLMP6004: a loss that is no number ends the run and keeps the last good checkpoint", async () => {
    const cwd = project(
      local(", save = every 1 step").replace("lr = 1e-3", "lr = 1e25").replace("steps = 4", "steps = 40"),
      {
        "corpus.txt": corpus,
      },
    );
    const { code, stderr } = await llmp(["run"], { cwd });
    expect(code).toBe(3);
    expect(stderr).toContain("LLMP6004");
  });

  it("a run in JSON prints its summary and nothing else on stdout", async () => {
    const cwd = project(local(), { "corpus.txt": corpus });
    const { code, stdout } = await llmp(["run", "--json"], { cwd });
    expect(code).toBe(0);
    const { stages } = JSON.parse(stdout) as {
      stages: { measured: { peak_bytes: number }; predicted: { peak_bytes: number } }[];
    };
    const [stage] = stages;
    const { peak_bytes: measured } = stage?.measured ?? { peak_bytes: 0 };
    expect(Math.abs(measured / (stage?.predicted.peak_bytes ?? 0) - 1)).toBeLessThan(0.02);
    expect(readdirSync(path.join(cwd, "runs/main"))).toEqual(expect.arrayContaining(["plan.json", "summary.json"]));
  });

  it("LLMP6003: a plan with what this runtime does not have", async () => {
    const cwd = project(local(), { "corpus.txt": corpus });
    const file = path.join(cwd, "p.json");
    expect((await llmp(["plan", "-o", file], { cwd })).code).toBe(0);
    writeFileSync(file, readFileSync(file, "utf8").replaceAll('"adamw"', '"sophia"'));
    const { code, stderr } = await llmp(["run", file], { cwd });
    expect(stderr).toContain("LLMP6003");
    expect(code).toBe(3);
  });

  it("LLMP6109: an address that cannot be read", async () => {
    const cwd = project(local("", 'source = "s3://no-bucket/none.txt", format = text, tokens = 1M'));
    const { code, stderr } = await llmp(["run"], {
      cwd,
      env: {
        AWS_ENDPOINT_URL: "http://127.0.0.1:9",
        AWS_ACCESS_KEY_ID: "k",
        AWS_SECRET_ACCESS_KEY: "s",
        AWS_MAX_ATTEMPTS: "1",
      },
    });
    expect(stderr).toContain("LLMP6109");
    expect(code).toBe(3);
  });

  it("what is no plan is wrong usage", async () => {
    const cwd = project(local());
    writeFileSync(path.join(cwd, "x.json"), "{}");
    expect((await llmp(["run", "x.json"], { cwd })).code).toBe(2);
    expect((await llmp(["run", "--steps", "0"], { cwd })).code).toBe(2);
  });
});

describe("emit", () => {
  const domain = "examples/llama3-8b-domain.llmp";
  const trainium = "examples/trainium-batch.llmp";

  it("LLMP5006: a folder with something else in it is left as it is", async () => {
    const at = folder();
    writeFileSync(path.join(at, "precious.txt"), "mine");
    const { code, stderr } = await llmp(["emit", "sagemaker", domain, "-d", at]);
    expect(code).toBe(1);
    expect(stderr).toContain("LLMP5006");
    expect(readdirSync(at)).toEqual(["precious.txt"]);
  });

  it("LLMP5004: what the target needs and the cluster does not say", async () => {
    const text = readFileSync(domain, "utf8").replace(/^.*\brole\b.*\n/m, "");
    const { code, stderr } = await llmp(["emit", "sagemaker", "-", "-d", path.join(folder(), "job")], { input: text });
    expect(stderr).toContain("LLMP5004");
    expect(code).toBe(1);
  });

  it("LLMP5008: no image is known for a region", async () => {
    const job = path.join(folder(), "job");
    const text = readFileSync(trainium, "utf8").replace(/region( *)= "[^"]*"/, 'region$1= "xx-north-9"');
    const { code, stderr } = await llmp(["emit", "batch", "-", "-d", job], { input: text });
    expect(stderr).toContain("LLMP5008");
    expect(code).toBe(1);
    expect(existsSync(job)).toBe(false);
  });

  it("LLMP5002: a hand-made plan with a hostile name", async () => {
    const at = folder();
    const file = path.join(at, "p.json");
    expect((await llmp(["plan", domain, "-o", file])).code).toBe(0);
    interface Named {
      readonly stages: { name: string }[];
    }
    const plan = JSON.parse(readFileSync(file, "utf8")) as Named & { readonly pipeline: Named };
    for (const stage of [...plan.stages, ...plan.pipeline.stages]) stage.name = "$(touch pwned)";
    writeFileSync(file, JSON.stringify(plan));
    const { code, stderr } = await llmp(["emit", "sagemaker", file, "-d", path.join(at, "job")]);
    expect(stderr).toContain("LLMP5002");
    expect(code).toBe(1);
    expect(existsSync(path.join(at, "job"))).toBe(false);
  });

  it("LLMP5012: an objective that no recipe has", async () => {
    const job = path.join(folder(), "recipe");
    const { code, stderr } = await llmp(["emit", "recipe", "examples/distill-70b-8b.llmp", "-d", job]);
    expect(stderr).toContain("LLMP5012");
    expect(code).toBe(1);
    expect(existsSync(job)).toBe(false);
  });
});

describe("doctor", () => {
  it("LLMP6020: without a compiler nothing is installed, and it is said what is missing", async () => {
    const cwd = folder();
    const { code, stderr } = await llmp(["doctor", "--fix"], {
      cwd,
      env: { PATH: cwd, HOME: cwd, XDG_CACHE_HOME: path.join(cwd, "cache"), LLMP_CACHE: path.join(cwd, "cache") },
    });
    expect(stderr).toContain("LLMP6020");
    expect(code).toBe(3);
  });
});

describe("engines on this machine", () => {
  const text = local(", engine = trl, on = here")
    .replace("objective = pretrain", "objective = sft")
    .replace(
      'source = "data/corpus.txt", format = text',
      'source = "data/rows.jsonl", format = jsonl, prompt = "prompt", completion = "completion"',
    )
    .concat("cluster here { provider = local }\n");
  const rows = { "rows.jsonl": `${JSON.stringify({ prompt: "2 + 2 =", completion: " 4" })}\n`.repeat(40) };

  it("LLMP5101: an engine that is not installed says how to install it", async () => {
    const cwd = project(text, rows);
    const nowhere = { PATH: cwd, HOME: cwd, XDG_CACHE_HOME: cwd, LLMP_PYTHON: path.join(cwd, "no-python") };
    const { code, stderr } = await llmp(["run"], { cwd, env: nowhere });
    expect(stderr).toContain("LLMP5101");
    expect(stderr).toContain("llmp doctor --fix trl");
    expect(code).toBe(3);
  });

  it("LLMP5102: an engine that fails ends the run with its last words", async () => {
    const cwd = project(text, rows);
    const python = path.join(cwd, "python");
    // Answers that the module is there, then fails at whatever it is asked to run.
    writeFileSync(python, '#!/bin/sh\n[ "$1" = -c ] && exit 0\necho "ValueError: no such luck" >&2\nexit 7\n', {
      mode: 0o755,
    });
    const { code, stderr } = await llmp(["run"], { cwd, env: { LLMP_PYTHON: python } });
    expect(stderr).toContain("LLMP5102");
    expect(stderr).toContain("no such luck");
    expect(code).toBe(3);
  });
});

describe("a remote cluster", () => {
  const remote = (region: string): string => `
import "std/llama3"
dataset text { source = "s3://bucket/text/*.parquet", format = parquet, tokens = 1B }
model base: llama3_2_1b { weights = "s3://bucket/llama" }
cluster one { provider = sagemaker, instance = ml.p5.48xlarge, count = 1, ${region} role = "arn:aws:iam::111122223333:role/r", storage = "s3://bucket/out", image = "111122223333.dkr.ecr.us-east-1.amazonaws.com/t:1" }
train t { objective = pretrain, model = base, data = text, tokens = 1B, batch = 64 sequences, precision = bf16, optimizer = adamw { lr = 1e-4 }, on = one }
`;
  const keys = {
    AWS_ACCESS_KEY_ID: "test",
    AWS_SECRET_ACCESS_KEY: "a-secret-that-nobody-may-see",
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_MAX_ATTEMPTS: "1",
    AWS_CONFIG_FILE: "/nonexistent",
    AWS_SHARED_CREDENTIALS_FILE: "/nonexistent",
  };

  it("LLMP5103: data of this machine that is not there", async () => {
    const text = remote('region = "us-east-1",').replace("s3://bucket/text/*.parquet", "nowhere/none.parquet");
    const { code, stderr } = await llmp(["run"], { cwd: project(text), env: keys });
    expect(stderr).toContain("LLMP5103");
    expect(code).toBe(3);
  });

  it("LLMP5110: no region is set anywhere", async () => {
    const cwd = project(remote(""));
    const { code, stderr } = await llmp(["run", "--yes"], {
      cwd,
      env: { ...keys, AWS_REGION: "", AWS_DEFAULT_REGION: "" },
    });
    expect(stderr).toContain("LLMP5110");
    expect(code).toBe(3);
  });

  /** Stands in for SageMaker and S3; `asked` holds each action and its body. */
  async function service(answers: Readonly<Record<string, unknown>>) {
    const asked: { action: string; body: string }[] = [];
    const server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on("data", (part: Buffer) => parts.push(part));
      request.on("end", () => {
        const action = String(request.headers["x-amz-target"] ?? "").replace("SageMaker.", "");
        if (action !== "") asked.push({ action, body: Buffer.concat(parts).toString() });
        response.setHeader("content-type", "application/x-amz-json-1.1");
        response.end(action === "" ? "" : JSON.stringify(answers[action] ?? {}));
      });
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    return { asked, env: { ...keys, AWS_ENDPOINT_URL: `http://127.0.0.1:${port}` } };
  }

  it("LLMP5109: a job that fails there ends with its reason, and no secret is printed", async () => {
    const { env } = await service({
      CreateTrainingJob: { TrainingJobArn: "arn:aws:sagemaker:us-east-1:111122223333:training-job/t" },
      DescribeTrainingJob: {
        TrainingJobStatus: "Failed",
        SecondaryStatus: "Failed",
        FailureReason: "AlgorithmError: no luck",
      },
    });
    const cwd = project(remote('region = "us-east-1",'));
    const { code, stdout, stderr } = await llmp(["run", "--yes"], { cwd, env });
    expect(stderr).toContain("LLMP5109");
    expect(stderr).toContain("no luck");
    expect(code).toBe(3);
    expect(stdout + stderr).not.toContain(keys.AWS_SECRET_ACCESS_KEY);
  });

  interface Created {
    readonly TrainingJobName: string;
    readonly CheckpointConfig: { readonly S3Uri: string };
  }

  it("--resume makes the stopped job again under the next name, with its checkpoints", async () => {
    const answers = { DescribeTrainingJob: { TrainingJobStatus: "Stopped", SecondaryStatus: "Stopped" } };
    const { asked, env } = await service(answers);
    const created = (): Created[] =>
      asked.filter((a) => a.action === "CreateTrainingJob").map((a) => JSON.parse(a.body) as Created);
    const cwd = project(remote('region = "us-east-1",'));
    expect((await llmp(["run", "--yes", "--detach"], { cwd, env })).code).toBe(0);
    const dry = await llmp(["run", "--resume"], { cwd, env });
    expect(dry.code).toBe(0);
    expect(created()).toHaveLength(1);
    for (const again of [2, 3]) {
      const { code, stderr } = await llmp(["run", "--resume", "--yes", "--detach"], { cwd, env });
      expect(stderr).toContain(`from its last checkpoint in ${created()[0]?.CheckpointConfig.S3Uri}`);
      expect(code).toBe(0);
      const { TrainingJobName: first, ...request } = created()[0] as Created;
      expect(created().at(-1)).toEqual({ ...request, TrainingJobName: `${first}-r${again}` });
    }
    const saved = JSON.parse(readFileSync(path.join(cwd, "runs/main/remote.json"), "utf8")) as { id: string };
    expect(saved.id).toBe(created()[2]?.TrainingJobName);
  });

  it("LLMP5112: nothing to resume, a job that still runs, another plan", async () => {
    const { asked, env } = await service({
      DescribeTrainingJob: { TrainingJobStatus: "InProgress", SecondaryStatus: "Training" },
    });
    const cwd = project(remote('region = "us-east-1",'));
    const resume = async (says: string): Promise<void> => {
      const { code, stderr } = await llmp(["run", "--resume", "--yes"], { cwd, env });
      expect(stderr).toContain("LLMP5112");
      expect(stderr).toContain(says);
      expect(code).toBe(3);
    };
    await resume("no submitted job");
    expect((await llmp(["run", "--yes", "--detach"], { cwd, env })).code).toBe(0);
    await resume("has not ended (InProgress: Training)");
    writeFileSync(path.join(cwd, "main.llmp"), remote('region = "us-east-1",').replace("lr = 1e-4", "lr = 2e-4"));
    await resume("another plan");
    expect(asked.filter((a) => a.action === "CreateTrainingJob")).toHaveLength(1);
  });

  it("--resume retries an execution of a pipeline that failed", async () => {
    const arn = "arn:aws:sagemaker:us-east-1:111122223333:pipeline/p/execution/abc";
    const { asked, env } = await service({
      StartPipelineExecution: { PipelineExecutionArn: arn },
      RetryPipelineExecution: { PipelineExecutionArn: arn },
      DescribePipelineExecution: { PipelineExecutionStatus: "Failed" },
    });
    const two = `${remote('region = "us-east-1",')}train u from t { objective = pretrain, data = text, tokens = 1B, batch = 64 sequences, precision = bf16, optimizer = adamw { lr = 1e-5 }, on = one }\n`;
    const cwd = project(two);
    expect((await llmp(["run", "--yes", "--detach"], { cwd, env })).code).toBe(0);
    const { code, stderr } = await llmp(["run", "--resume", "--yes", "--detach"], { cwd, env });
    expect(stderr).toContain("from the step that failed");
    expect(code).toBe(0);
    const retried = asked
      .filter((a) => a.action === "RetryPipelineExecution")
      .map((a) => JSON.parse(a.body) as unknown);
    expect(retried).toEqual([expect.objectContaining({ PipelineExecutionArn: arn })]);
    expect(asked.filter((a) => a.action === "StartPipelineExecution")).toHaveLength(1);
  });
});
