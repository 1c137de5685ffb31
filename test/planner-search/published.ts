/** Layouts that people tuned by hand and published, as programs: as theirs, and with all axes open. */
export interface Published {
  readonly name: string;
  readonly source: string;
  readonly model: string;
  readonly instance: string;
  readonly gpus: number;
  readonly batch: number;
  readonly context: string;
  readonly parallel: string;
  readonly recompute: string;
}

const llama3 =
  "The Llama 3 Herd of Models (arXiv 2407.21783), table of scaling configurations, as glennklockwood.com/garden/llama-3.1 gives it (read 2026-11-24)";
const korthikanti =
  "Korthikanti et al. 2022 (arXiv 2205.05198), table 3, as github.com/calculon-ai/calculon validation/seqsel at caa4b11 has it (read 2026-11-24)";
const narayanan = "Narayanan et al. 2021 (arXiv 2104.04473), table 1 (recalled, not read)";
const gpt = (layers: number, hidden: number, heads: number): string =>
  `model m { architecture = gpt2, layers = ${layers}, hidden = ${hidden}, heads = ${heads}, ffn = ${4 * hidden}, vocab = 51200, context_length = 2Ki }`;
const llama405 = "model m: llama3_1_405b { context_length = 128Ki }";

export const published: readonly Published[] = [
  {
    name: "Llama 3.1 405B on 8,192 GPUs",
    source: llama3,
    model: llama405,
    instance: "p5.48xlarge",
    gpus: 8192,
    batch: 2048,
    context: "8Ki",
    parallel: "{ tensor = 8, context = 1, pipeline = 16 }",
    recompute: "auto",
  },
  {
    name: "Llama 3.1 405B on 16,384 GPUs",
    source: llama3,
    model: llama405,
    instance: "p5.48xlarge",
    gpus: 16_384,
    batch: 2048,
    context: "8Ki",
    parallel: "{ tensor = 8, context = 1, pipeline = 16 }",
    recompute: "auto",
  },
  {
    name: "Llama 3.1 405B, 128K tokens, on 16,384 GPUs",
    source: llama3,
    model: llama405,
    instance: "p5.48xlarge",
    gpus: 16_384,
    batch: 128,
    context: "128Ki",
    parallel: "{ tensor = 8, context = 16, pipeline = 16 }",
    recompute: "auto",
  },
  ...(
    [
      ["22B", gpt(48, 6144, 64), 8, 4, 1, 1],
      ["GPT-3 175B", gpt(96, 12_288, 96), 64, 64, 8, 3],
      ["Turing 530B", gpt(105, 20_480, 128), 280, 280, 35, 3],
      ["1T", gpt(128, 25_600, 160), 512, 512, 64, 1],
    ] as const
  ).map(
    ([name, model, gpus, batch, pipeline, virtual]): Published => ({
      name: `Megatron-LM ${name} on ${gpus} GPUs`,
      source: korthikanti,
      model,
      instance: "p4de.24xlarge",
      gpus,
      batch,
      context: "2Ki",
      parallel: `{ tensor = 8, pipeline = ${pipeline}, virtual = ${virtual}, micro_batch = ${name === "22B" ? 4 : 1} }`,
      recompute: "selective",
    }),
  ),
  ...(
    [
      [gpt(24, 2304, 24), 32, 512, 1, 1],
      [gpt(36, 4096, 32), 128, 512, 4, 1],
      [gpt(48, 8192, 64), 512, 1536, 8, 2],
      [gpt(80, 12_288, 96), 1536, 2304, 8, 8],
      [gpt(128, 25_600, 160), 3072, 3072, 8, 64],
    ] as const
  ).map(
    ([model, gpus, batch, tensor, pipeline]): Published => ({
      name: `Megatron-LM on ${gpus} GPUs, TP ${tensor}, PP ${pipeline}`,
      source: narayanan,
      model,
      instance: "p4de.24xlarge",
      gpus,
      batch,
      context: "2Ki",
      parallel: `{ tensor = ${tensor}, pipeline = ${pipeline} }`,
      recompute: "full",
    }),
  ),
];

export const fileOf = (p: Published, parallel: string, recompute: string): string => `
import "std/llama3"
dataset web { source = "s3://b/x/*.parquet", field = "text", tokens = 1T }
${p.model}
cluster c { provider = slurm, instance = ${p.instance}, count = ${p.gpus / 8} }
train base {
  objective = pretrain
  model = m
  data = web
  tokens = 100B
  batch = ${p.batch} sequences
  context_length = ${p.context}
  precision = bf16
  engine = megatron
  parallel = ${parallel}
  recompute = ${recompute}
  on = c
}`;
