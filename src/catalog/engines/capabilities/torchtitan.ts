import type { EngineProfile } from "./profile.js";

/**
 * pytorch/torchtitan, read and run at 0.2.2 (TOML, `--job.config_file`) and 0.3.0 (Python configuration, `--module` and
 * `--config`), 2026-11.
 */
export const torchtitan: EngineProfile = {
  name: "torchtitan",
  doc: "PyTorch-native pre-training: FSDP2, TP, PP, CP, EP, float8 (TOML up to 0.2.2, Python configuration from 0.3)",
  versions: ">=0.2.2",
  aliases: ["pytorch-titan", "torchtitan-0.2", "torchtitan-0.3"],
  can: {
    providers: ["local", "sagemaker", "hyperpod", "batch", "kubernetes", "slurm"],
    vendors: ["nvidia", "amd"],
    objectives: ["pretrain"],
    adapters: [],
    precisions: ["fp32", "bf16", "fp8", "mxfp8"],
    optimizers: ["adamw"],
    architectures: ["llama", "qwen3", "qwen3_moe"],
    shards: ["none", "zero3", "hsdp"],
    tensor: true,
    sequence: true,
    pipeline: true,
    schedules: ["gpipe", "1f1b", "interleaved", "zero_bubble", "dualpipe"],
    unevenPipeline: true,
    context: true,
    expert: true,
    recompute: ["none", "full", "selective", "every"],
    offload: ["optimizer"],
    mixSchedule: "prepared",
    because: {
      "objectives.sft":
        "0.3.0 has a ChatDataLoader, but masking of prompts was not confirmed; TRL does it (read 2026-11)",
      "objectives.dpo": "no preference loss in torchtitan 0.3.0 (read 2026-11)",
      "objectives.grpo":
        "experiments/rl needs its own generator fleet; verl and TRL are the supported ways (read 2026-11)",
      "objectives.distill": "no logits distillation in torchtitan 0.3.0 (read 2026-11)",
      adapters: "0.3.0's LoRAConverter has no Hugging Face adapter export; TRL writes PEFT adapters (read 2026-11)",
      fp16: "torchtitan has no dynamic loss scaling (training.mixed_precision_param is bfloat16 or float32, 0.2.2)",
      tf32: "no key: matmul precision is not configurable in 0.2.2",
      optimizers: "optimizer.name is Adam or AdamW (0.2.2 job_config.py)",
      architectures: "llama3 and qwen3 are lowered; 0.2.2 also ships llama4 and deepseek_v3, not written against here",
      "shards.zero1": "FSDP2 shards parameters, gradients and state together (torchtitan 0.2.2 parallelize.py)",
      "shards.zero2": "fsdp_reshard_after_forward=never keeps gathered weights, not ZeRO-2's layout (torchtitan 0.2.2)",
      "recompute.ops":
        "per-op lists are a Python subclass only in 0.3.0; 0.2.2 has a fixed list (config/job_config.py)",
      "recompute.perLayer": "0.2.2 has every Nth layer, the same N in all stages (selective_ac_option)",
      "recompute.block": "0.2.2 has every Nth layer, not the first n (selective_ac_option)",
      "offload.activations": "only experiments/graph_trainer offloads activations (read at 0.3.0)",
      aws: "the neuron device path was not tried; Neuron packages are not on PyPI (2026-11)",
    },
  },
  keys: {
    pretrain: "`--job.config_file x.toml` (0.2.2); `--module M --config F` (0.3)",
    tensor: "`parallelism.tensor_parallel_degree`",
    sequence: "implied by TP (0.2.2); `enable_sequence_parallel` (0.3)",
    pipeline: "`parallelism.pipeline_parallel_degree`, `pipeline_parallel_schedule`",
    unevenPipeline: "`module_fqns_per_model_part`",
    context: "`parallelism.context_parallel_degree`",
    expert: "`parallelism.expert_parallel_degree`",
    zero3: "`data_parallel_shard_degree`",
    hsdp: "`data_parallel_replicate_degree`, `data_parallel_shard_degree`",
    fp8: "`quantize.linear.float8` (0.2.2); Float8LinearConverter (0.3)",
    recompute: "`activation_checkpoint.mode`, `selective_ac_option`",
    offload: "`training.enable_cpu_offload`",
    mixSchedule: "prepared sample order",
    weights: "`checkpoint.initial_load_path`, `initial_load_in_hf`",
    export: "`checkpoint.last_save_in_hf`",
  },
};
