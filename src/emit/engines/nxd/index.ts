/** NxD Training: one Hydra YAML in the form of its examples (hf_llama3_8B_*.yaml @9169aa0), started by its own orchestrator. */
import type { Diagnostic, Outcome } from "../../../diagnostics/index.js";
import { failed, learningRate, recomputeRule, refuse, startsWithWeights } from "../../common/lower.js";
import { json } from "../../common/quote.js";
import { numberOption, type StageView, stringOption } from "../../common/stage.js";
import { lostInConfig, trainingConfig } from "../../common/training-config.js";
import { type Yaml, yaml } from "../../common/yaml.js";
import { dataSettings } from "../common/data.js";
import { mixPy } from "../common/mix-py.js";
import { phases } from "../common/phases.js";
import { prepareTextPy } from "../common/prepare-py.js";
import type { EngineBundle, EngineLowering } from "../types.js";

const sched: Readonly<Record<string, string>> = {
  linear: "LinearAnnealingWithWarmUp",
  cosine: "CosineAnnealing",
  constant: "WarmupPolicy",
};
const loraTargets: Readonly<Record<string, string>> = {
  q_proj: "qkv_proj",
  k_proj: "qkv_proj",
  v_proj: "qkv_proj",
  o_proj: "o_proj",
  gate_proj: "gate_up_proj",
  up_proj: "gate_up_proj",
  down_proj: "down_proj",
};

function problems(view: StageView): Diagnostic[] {
  const { parallel } = view.stage;
  const found = lostInConfig(view);
  if (view.adapter !== undefined && parallel.shard === "zero1")
    found.push(
      refuse(
        view,
        "LoRA with ZeRO-1",
        "LoRA needs autocast precision; the zero1 optimizer is not compatible with it (examples/conf @9169aa0)",
      ),
    );
  if (phases(view).length > 1 && view.spec.objective.kind !== "pretrain")
    found.push(refuse(view, "a mix that changes", "fine-tuning data is one file"));
  return found;
}

function alignment(view: StageView): Yaml {
  const { kind } = view.spec.objective;
  const { adapter } = view;
  const peft =
    adapter === undefined
      ? undefined
      : {
          lora_rank: adapter.rank.value,
          lora_alpha: adapter.alpha.value,
          lora_dropout: adapter.dropout.value,
          lora_bias: "none",
          lora_verbose: true,
          target_modules: adapter.targets.value.includes("all_linear")
            ? ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"]
            : [...new Set(adapter.targets.value.map((t) => loraTargets[t] ?? t))],
          load_lora_from_ckpt: false,
          save_lora_base: true,
          merge_lora: false,
          save_lora_config_adapter: true,
          merge_sharded_lora: false,
        };
  if (kind === "sft") return { sft: { packing: view.spec.packing.value }, peft };
  if (kind === "dpo")
    return {
      dpo: {
        kl_beta: numberOption(view, "beta", 0.1),
        loss_type: stringOption(view, "loss") ?? "sigmoid",
        max_prompt_length: Math.floor(view.stage.context_length / 2),
        precompute_ref_log_probs: true,
        truncation_mode: "keep_start",
      },
      peft,
    };
  return undefined;
}

function config(view: StageView): Yaml {
  const { stage, spec, model, optimizer } = view;
  const { parallel } = stage;
  const lr = learningRate(view);
  const rule = recomputeRule(view);
  const tuned = spec.objective.kind !== "pretrain";
  const replicas = parallel.tensor > model.kvHeads.value ? Math.round(parallel.tensor / model.kvHeads.value) : 1;
  return {
    name: "hf_llama",
    model_source: "hf",
    seed: spec.seed.value,
    trainer: {
      devices: view.devicesPerNode,
      num_nodes: view.nodes,
      max_epochs: -1,
      max_steps: stage.steps,
      log_every_n_steps: 1,
      val_check_interval: view.evaluateSteps ?? stage.steps + 1,
      check_val_every_n_epoch: null,
      num_sanity_val_steps: 0,
      limit_val_batches: view.evaluateSteps === undefined ? 0 : 16,
      limit_test_batches: 0,
      gradient_clip_val: optimizer.clip,
    },
    exp_manager: {
      log_local_rank_0_only: true,
      create_tensorboard_logger: true,
      explicit_log_dir: "checkpoints",
      exp_dir: null,
      name: "llmp",
      resume_if_exists: true,
      resume_ignore_no_checkpoint: true,
      create_checkpoint_callback: true,
      checkpoint_callback_params: {
        monitor: "step",
        save_top_k: 2,
        mode: "max",
        save_last: true,
        filename: "llmp--{step}-{consumed_samples}",
        model_parallel_size: parallel.tensor * parallel.pipeline,
        every_n_train_steps: view.saveSteps ?? stage.steps,
        use_master_weights_in_ckpt: false,
      },
      log_parameter_norm: false,
      log_gradient_norm: true,
      enable_recovery_time_instrumentation: false,
      save_xser: true,
      load_xser: true,
      save_bf16: false,
      async_checkpointing: false,
      resume_from_checkpoint: startsWithWeights(view) ? "converted" : null,
    },
    distributed_strategy: {
      tensor_model_parallel_size: parallel.tensor,
      pipeline_model_parallel_size: parallel.pipeline,
      virtual_pipeline_model_parallel_size: parallel.virtual,
      context_parallel_size: parallel.context,
      zero1: parallel.shard === "zero1",
      sequence_parallel: parallel.sequence,
      kv_replicator: replicas,
    },
    data: {
      micro_batch_size: parallel.micro_batch,
      global_batch_size: stage.global_batch,
      train_dir: tuned ? "prepared/phase-0.jsonl" : "prepared/tokens",
      val_dir: null,
      dev_choose_samples: tuned ? null : undefined,
      seq_length: stage.context_length,
      tokenizer: { type: "tokenizer" },
    },
    model: {
      model_config: "hf/config.json",
      encoder_seq_length: stage.context_length,
      max_position_embeddings: Math.max(model.contextLength.value, stage.context_length),
      num_layers: model.layers.value,
      hidden_size: model.hidden.value,
      qkv_linear: true,
      fuse_qkv: true,
      rope_theta: model.ropeTheta.value,
      use_cpu_initialization: true,
      weight_init_only: startsWithWeights(view) ? true : undefined,
      activations_checkpoint_granularity: rule.kind === "none" ? null : rule.kind,
      activations_checkpoint_recompute: rule.kind === "selective" ? ["CoreAttention"] : undefined,
      fusions: { softmax: true, flash_attention: true },
      do_layer_norm_weight_decay: false,
      optim: {
        name: "adamw_fp32OptState",
        lr: lr.peak,
        weight_decay: optimizer.weightDecay,
        capturable: false,
        betas: [optimizer.beta1, optimizer.beta2],
        eps: optimizer.eps,
        sched: {
          name: sched[lr.kind],
          warmup_steps: lr.warmup,
          max_steps: stage.steps,
          min_lr: lr.kind === "constant" ? undefined : lr.min,
        },
      },
    },
    model_alignment_strategy: alignment(view),
    precision: {
      type:
        view.adapter !== undefined ? "autocast" : view.precision.compute.value === "fp32" ? "fp32" : "mixed_precision",
    },
    compiler_flags: "--model-type transformer",
    // Beside the checkpoints, so that a job that goes on elsewhere does not compile again.
    compiler_cache_url: "checkpoints/neuron_cache",
    aync_exec_max_inflight_requests: 5,
    bucket_size_collectives: 1024,
    neuron_rt_exec_timeout: 100,
    neuron_experimental_compress_rg: false,
  };
}

const tokensPy = String.raw`"""prepared/tokens: an Arrow dataset of exactly seq_length tokens a row, in the planned order. Written by llmp."""
import os
import sys

import mix
from datasets import Dataset
from transformers import AutoTokenizer


def main(size, rows):
    if os.path.isdir("prepared/tokens"):
        return
    tokenizer = AutoTokenizer.from_pretrained("tokenizer")

    def tokenize(text):
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    def stream():
        source = mix.packed(mix.settings(), tokenize, size, tokenizer.eos_token_id)
        for _ in range(rows):
            ids, _, _ = next(source)
            yield {"input_ids": ids, "attention_mask": [1] * size, "labels": ids}

    Dataset.from_generator(stream).save_to_disk("prepared/tokens")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
`;

function lower(view: StageView): Outcome<EngineBundle> {
  const found = problems(view);
  if (found.length > 0) return failed(found);
  const tuned = view.spec.objective.kind !== "pretrain";
  return {
    value: {
      files: [
        {
          path: "conf/stage.yaml",
          text: yaml(config(view), ["NxD Training (neuronx-distributed-training @9169aa0). Written by llmp."]),
        },
        { path: "hf/config.json", text: trainingConfig(view.model) },
        { path: "data.json", text: json(dataSettings(view)) },
        { path: "mix.py", text: mixPy },
        tuned ? { path: "prepare.py", text: prepareTextPy } : { path: "tokens.py", text: tokensPy },
      ],
      launcher: "torchrun",
      commands: [["training_orchestrator.py", "--config-path=conf", "--config-name=stage"]],
      before: [
        tuned
          ? ["python", "prepare.py", "prepared"]
          : [
              "python",
              "tokens.py",
              String(view.stage.context_length),
              String(view.stage.steps * view.stage.global_batch),
            ],
        ["cp", "-n", "/root/nxdt/training_orchestrator.py", "/root/nxdt/training.py", "."],
      ],
      env: {
        NEURON_RT_EXEC_TIMEOUT: "100",
        NEURON_RT_NUM_CORES: String(view.devicesPerNode),
        MALLOC_ARENA_MAX: "64",
        FI_PROVIDER: "efa",
        FI_EFA_USE_DEVICE_RDMA: "1",
        FI_EFA_FORK_SAFE: "1",
      },
      requirements: [],
      notes: [
        "NxD Training comes with AWS's Neuron container; its packages are on AWS Neuron's own index only. This configuration follows its examples and could not be loaded by its parser here.",
        "NXDT's examples folder (training_orchestrator.py, training.py) must be at /root/nxdt in the image.",
      ],
    },
    diagnostics: [],
  };
}

export const nxd: EngineLowering = { name: "nxd", readsRows: ["pretrain"], lower };
