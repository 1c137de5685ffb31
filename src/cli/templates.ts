/** Starters of `llmp init`: one an objective, to be read from top to bottom and changed. Each checks as soon as the data that it names is there. */
export interface Template {
  readonly name: string;
  readonly about: string;
  readonly text: string;
}

const tiny = `# A small Llama-like model that trains on a laptop. For a known one: import "std/llama3", then model = llama3_8b.
model small {
  architecture    = llama
  layers          = 4
  hidden          = 128
  heads           = 4
  kv_heads        = 2
  ffn             = 384
  vocab           = 320    # bytes, and a few marks; a BPE tokenizer has its own size
  context_length  = 128    # tokens
  tied_embeddings = true
}
`;
const bytes = `tokenizer letters { kind = bytes }    # or { kind = bpe, file = "tokenizer.json" }
`;
const machine = `
# Where it runs is this machine. To plan for others:
# cluster cloud { provider = sagemaker, instance = ml.p5.48xlarge, count = 1..4, region = "us-east-1" }
# and in the train block: on = cloud
`;
const settings = (steps: number, lr: string): string => `  steps     = ${steps}
  batch     = 16 sequences
  precision = fp32    # bf16 or fp8 on accelerators that have them
  parallel  = auto    # what is auto, the planner decides; \`llmp plan --why\` tells how
  recompute = auto
  optimizer = adamw { lr = ${lr}, schedule = cosine { warmup = ${Math.round(steps / 10)} steps } }
  save      = every ${Math.round(steps / 2)} steps
`;
const sft = `train answer {
  objective = sft    # the loss counts completions only
  model     = small
  data      = pairs
${settings(300, "3e-4")}}
`;
const pairs = `# One object a line: {"prompt": "…", "completion": "…"}
dataset pairs { source = "data/pairs.jsonl", format = jsonl, prompt = "prompt", completion = "completion", holdout = 5% }
`;

export const templates: readonly Template[] = [
  {
    name: "pretrain",
    about: "train a model from scratch on text",
    text: `# Pre-training on text. Next: llmp check, llmp plan, llmp run.

${bytes}
dataset corpus { source = "data/*.txt", format = text, holdout = 5% }

${tiny}
train base {
  objective = pretrain
  model     = small
  data      = corpus
${settings(500, "1e-3")}}
${machine}`,
  },
  {
    name: "sft",
    about: "fine-tune on prompts with completions",
    text: `# Supervised fine-tuning. Next: llmp check, llmp plan, llmp run.

${bytes}
${pairs}
${tiny}
${sft}${machine}`,
  },
  {
    name: "lora",
    about: "adapt a known model with LoRA on one GPU",
    text: `# LoRA fine-tuning of a known model. Next: llmp check, llmp plan.

import "std/mistral"

${pairs}
# The folder with the weights (safetensors and config.json).
model base: mistral_7b_v0_1 { weights = "weights/mistral-7b" }

adapter small { kind = lora, rank = 16, alpha = 32, targets = all_linear }

cluster one { provider = sagemaker, instance = ml.g6e.2xlarge | ml.p5.4xlarge, count = 1, region = "us-east-1" }

train adapted {
  objective = sft
  model     = base
  adapter   = small
  data      = pairs
  context_length = 2Ki  # longer examples are cut
  steps     = 1000
  batch     = 64 sequences
  precision = bf16
  optimizer = adamw { lr = 2e-4, schedule = cosine { warmup = 50 steps } }
  on        = one
  save      = every 30min
}

budget { cost < $100, minimize = cost }
`,
  },
  {
    name: "dpo",
    about: "learn from preferences",
    text: `# Fine-tuning, then preferences (DPO). Next: llmp check, llmp plan, llmp run.

${bytes}
${pairs}
# One object a line: {"prompt": "…", "chosen": "…", "rejected": "…"}
dataset choices { source = "data/choices.jsonl", format = preference, prompt = "prompt", chosen = "chosen", rejected = "rejected" }

${tiny}
${sft}
train prefer from answer {
  objective = dpo { beta = 0.1 }
  data      = choices
${settings(100, "5e-5")}}
${machine}`,
  },
  {
    name: "grpo",
    about: "reinforcement learning with answers that can be verified",
    text: `# Reinforcement learning (GRPO) with rewards that can be verified. Next: llmp check, llmp plan, llmp run.

${bytes}
# One object a line: {"prompt": "…", "answer": "…"}
dataset questions { source = "data/questions.jsonl", format = prompts, prompt = "prompt", answer = "answer" }

reward exact { kind = exact_answer }

${tiny}
train reason {
  objective = grpo { group_size = 8, kl = 0.001, max_completion = 32 tokens, reward = exact }
  model     = small
  data      = questions
${settings(100, "1e-5")}}
${machine}`,
  },
  {
    name: "distill",
    about: "a small model learns from a large one",
    text: `# Knowledge distillation: a teacher is trained first, a smaller student learns its distributions.

${bytes}
dataset corpus { source = "data/*.txt", format = text, holdout = 5% }

${tiny}
model tiny: small { layers = 2 }

train teach {
  objective = pretrain
  model     = small
  data      = corpus
${settings(500, "1e-3")}}

train learn {
  objective = distill { teacher = teach, temperature = 2.0, divergence = forward_kl, hard_labels = 10% }
  model     = tiny
  data      = corpus
${settings(500, "1e-3")}}
${machine}`,
  },
];
