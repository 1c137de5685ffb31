/** What goes wrong in real use: each ends with its code, the right exit code, and nothing half-written. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
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
    const plan = JSON.parse(readFileSync(file, "utf8")) as { stages: { name: string }[] };
    for (const stage of plan.stages) stage.name = "$(touch pwned)";
    writeFileSync(file, JSON.stringify(plan));
    const { code, stderr } = await llmp(["emit", "sagemaker", file, "-d", path.join(at, "job")]);
    expect(stderr).toContain("LLMP5002");
    expect(code).toBe(1);
    expect(existsSync(path.join(at, "job"))).toBe(false);
  });
});
