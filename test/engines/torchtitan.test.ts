/** The emitted configurations are loaded by torchtitan's own parsers, 0.2.2 (TOML) and 0.3.0 (Python). */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { afterAll, describe, expect, it } from "vitest";
import { emit } from "../../src/emit/index.js";
import type { Plan } from "../../src/planner/plan.js";
import { cases } from "../emit/fixtures/cases.js";
import { enginePackages, missing, torchtitan, type Venv, venv } from "./venv.js";

const engines = await venv("engines", enginePackages);
if (missing(engines)) console.warn(`torchtitan is not tested: ${engines.reason}`);
const root = mkdtempSync(join(tmpdir(), "llmp-titan-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function write(name: string): Promise<string> {
  const folder = join(root, name);
  for (const file of (await emit("engine", (cases[name] as () => Plan)())).value ?? []) {
    mkdirSync(dirname(join(folder, file.path)), { recursive: true });
    // float8 checks for a GPU when the model is built: what is loaded here is the rest.
    writeFileSync(join(folder, file.path), file.text.replace('"float8": "rowwise"', '"float8": None'));
  }
  mkdirSync(join(folder, "engine", "tokenizer"), { recursive: true });
  return join(folder, "engine");
}

const python = async (version: string, cwd: string, code: string): Promise<Record<string, unknown>> => {
  const { stdout } = await execa((engines as Venv).python, ["-c", code], {
    cwd,
    env: { PYTHONPATH: `${await torchtitan(engines as Venv, version)}:.`, PYTHONDONTWRITEBYTECODE: "1" },
  });
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Record<string, unknown>;
};

describe.skipIf(missing(engines))(
  `torchtitan${missing(engines) ? ` (${engines.reason})` : ""}`,
  { timeout: 120_000 },
  () => {
    it.each(["torchtitan-hsdp", "torchtitan-full"])(
      "0.2.2 loads %s, and the model's shape is the planned one",
      async (name) => {
        const got = await python(
          "0.2.2",
          await write(name),
          `import json
from torchtitan.config import ConfigManager
c = ConfigManager().parse_args(["--job.config_file", "train.toml"])
import llmp_titan
from torchtitan.hf_datasets.text_datasets import DATASETS
from torchtitan.models.llama3 import llama3_args
from torchtitan.models.llama3.model.model import Transformer
import torch
with torch.device("meta"):
    model = Transformer(llama3_args["llmp"])
p = c.parallelism
print(json.dumps({"parameters": sum(w.numel() for w in model.parameters()), "tp": p.tensor_parallel_degree, "pp": p.pipeline_parallel_degree, "replicate": p.data_parallel_replicate_degree, "shard": p.data_parallel_shard_degree, "batch": c.training.global_batch_size, "ac": [c.activation_checkpoint.mode, c.activation_checkpoint.selective_ac_option], "dataset": "llmp" in DATASETS}))`,
        );
        // Llama 3 8B as published: 8,030,261,248 parameters.
        expect(got.parameters).toBe(8_030_261_248);
        expect(got.dataset).toBe(true);
        if (name === "torchtitan-hsdp")
          expect(got).toMatchObject({ tp: 2, pp: 1, replicate: 2, shard: 4, batch: 16, ac: ["selective", "2"] });
        else expect(got).toMatchObject({ tp: 2, pp: 2, replicate: 1, shard: 4, ac: ["full", "2"] });
      },
    );

    it("0.3.0 loads the same plan from its Python configuration", async () => {
      const got = await python(
        "0.3.0",
        await write("torchtitan-full"),
        `import json
from torchtitan.config.manager import ConfigManager
c = ConfigManager().parse_args(["--module", "llmpcfg", "--config", "stage"])
p = c.parallelism
print(json.dumps({"schedule": p.pipeline_parallel_schedule, "parts": len(p.module_fqns_per_model_part), "seq": c.training.seq_len, "batch": c.training.global_batch_size, "layers": len(c.model_spec.model.layers), "ac": type(c.activation_checkpoint).__qualname__, "betas": c.optimizer.param_groups[0].optimizer_kwargs["betas"]}))`,
      );
      expect(got).toEqual({
        schedule: "Interleaved1F1B",
        parts: 4,
        seq: 8192,
        batch: 16,
        layers: 32,
        ac: "FullAC.Config",
        betas: [0.9, 0.95],
      });
    });
  },
);
