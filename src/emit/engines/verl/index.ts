/** verl 0.9: Hydra overrides of `ppo_trainer` in a YAML, rewards as a function, prompts as Parquet in the planned order. */
import type { Outcome } from "../../../diagnostics/index.js";
import { failed, learningRate, offloads, recomputeRule, refuse, startsWithWeights } from "../../common/lower.js";
import { json } from "../../common/quote.js";
import { numberOption, type StageView, stringOption } from "../../common/stage.js";
import { type Yaml, yaml } from "../../common/yaml.js";
import { dataSettings } from "../common/data.js";
import { mixPy } from "../common/mix-py.js";
import { rewardsJson } from "../common/rewards.js";
import { rewardsPy } from "../trl/train-py.js";
import type { EngineBundle, EngineLowering } from "../types.js";
import { promptsPy, verlRewardPy } from "./verl-py.js";

export function verlConfig(view: StageView): Yaml {
  const { stage, adapter, optimizer } = view;
  const lr = learningRate(view);
  const kl = numberOption(view, "kl", 0.001);
  const offload = offloads(view, "optimizer");
  const fsdp = {
    fsdp_size: stage.parallel.shard === "hsdp" ? stage.parallel.shard_group : -1,
    param_offload: false,
    optimizer_offload: offload,
    model_dtype: "fp32",
    dtype: view.precision.compute.value === "fp32" ? "float32" : "bfloat16",
    seed: view.spec.seed.value,
  };
  const completion = numberOption(view, "maxCompletion", 512);
  return {
    data: {
      train_files: "prepared/train.parquet",
      val_files: "prepared/train.parquet",
      train_batch_size: stage.global_batch,
      max_prompt_length: Math.max(1, stage.context_length - completion),
      max_response_length: completion,
      prompt_key: "prompt",
      reward_fn_key: "data_source",
      shuffle: false,
      truncation: "error",
      filter_overlong_prompts: true,
    },
    actor_rollout_ref: {
      model: {
        path: "model",
        enable_gradient_checkpointing: recomputeRule(view).kind === "full",
        lora_rank: adapter?.rank.value ?? 0,
        lora_alpha: adapter?.alpha.value ?? 16,
        target_modules:
          adapter === undefined || adapter.targets.value.includes("all_linear") ? "all-linear" : adapter.targets.value,
      },
      actor: {
        strategy: "fsdp2",
        ppo_mini_batch_size: stage.global_batch,
        ppo_micro_batch_size_per_gpu: stage.parallel.micro_batch,
        // Each update is of the whole batch of samples.
        ppo_epochs: numberOption(view, "updates", 1),
        grad_clip: optimizer.clip,
        clip_ratio: numberOption(view, "clip", 0.2),
        use_kl_loss: kl > 0,
        kl_loss_coef: kl,
        kl_loss_type: "low_var_kl",
        entropy_coeff: 0,
        fsdp_config: fsdp,
        optim: {
          lr: lr.peak,
          betas: [optimizer.beta1, optimizer.beta2],
          override_optimizer_config: { eps: optimizer.eps },
          weight_decay: optimizer.weightDecay,
          lr_warmup_steps: lr.warmup,
          lr_scheduler_type: lr.kind,
          min_lr_ratio: lr.kind === "cosine" ? lr.minRatio : undefined,
        },
      },
      ref: { log_prob_micro_batch_size_per_gpu: stage.parallel.micro_batch, fsdp_config: { param_offload: offload } },
      rollout: {
        name: "vllm",
        n: numberOption(view, "groupSize", 8),
        temperature: numberOption(view, "temperature", 1),
        log_prob_micro_batch_size_per_gpu: stage.parallel.micro_batch,
        tensor_model_parallel_size: 1,
        gpu_memory_utilization: 0.5,
      },
    },
    algorithm: {
      adv_estimator: "grpo",
      norm_adv_by_std_in_grpo: stringOption(view, "scale") !== "none",
      use_kl_in_reward: false,
    },
    custom_reward_function: { path: "verl_reward.py", name: "compute_score" },
    trainer: {
      total_training_steps: stage.steps,
      total_epochs: 1,
      n_gpus_per_node: view.devicesPerNode,
      nnodes: view.nodes,
      save_freq: view.saveSteps ?? -1,
      test_freq: view.evaluateSteps ?? -1,
      val_before_train: false,
      logger: ["console"],
      project_name: "llmp",
      experiment_name: stage.name,
      default_local_dir: "checkpoints",
      resume_mode: "auto",
    },
  };
}

function lower(view: StageView): Outcome<EngineBundle> {
  // The policy's shape is that of the folder, and its rollout engine loads it from there.
  if (!startsWithWeights(view))
    return failed([refuse(view, "a policy with fresh weights", "verl starts from a model's folder: weights = …")]);
  return {
    value: {
      files: [
        {
          path: "conf/stage.yaml",
          text: `${yaml({ defaults: ["ppo_trainer", "_self_"], ...(verlConfig(view) as Record<string, Yaml>) }, ["Overrides of verl's ppo_trainer. Written by llmp."])}`,
        },
        { path: "verl_reward.py", text: verlRewardPy },
        { path: "rewards.py", text: rewardsPy },
        { path: "rewards.json", text: rewardsJson(view) },
        { path: "prompts.py", text: promptsPy },
        { path: "mix.py", text: mixPy },
        { path: "data.json", text: json(dataSettings(view)) },
      ],
      launcher: "python",
      commands: [
        [
          "-m",
          "verl.trainer.main_ppo",
          "--config-path",
          "conf",
          "--config-name",
          "stage",
          "hydra.searchpath=[pkg://verl.trainer.config]",
        ],
      ],
      before: [["python", "prompts.py", String(view.stage.steps * view.stage.global_batch)]],
      env: {},
      requirements: ["verl[vllm]==0.9.1"],
      notes: [
        "verl runs on Ray: with several machines start a Ray cluster first (ray start --head on the first, --address on the others); this program runs on the first.",
      ],
    },
    diagnostics: [],
  };
}

export const verl: EngineLowering = { name: "verl", readsRows: ["grpo"], lower };
