/**
 * HyperPod recipes of 2.x for fine-tuning: what stands under `training_config`, in the words of verl (`run.model_type: verl`:
 * SFT, DPO, GRPO) or of Amazon's own trainer (`llm_finetuning_aws`: SFT, DPO). Recipes of Nova are not for anyone's weights.
 */
import { given, whole } from "./axolotl.js";
import { dataset, lora, optimizerKind, optimizerText, scheduleKind } from "./common.js";
import type { Keys } from "./keys.js";
import type { Draft, Entries } from "./types.js";

const silent =
  /(^|\.)_target_$|^(run|display_name|version|elastic_policy|scale_config|ray_cluster|base_results_dir|recipes|cluster|cluster_type|container|instance_types?)(\.|$)|^trainer\.|^training_config\.(checkpoint|mlflow|profiler|global_profiler|ray_kwargs|ray_init|trainer_callbacks|critic|reward_model|custom_reward_function|callbacks|force_rerun|model_config\.(generation_cfg|chat_template_key|attn_implementation|model_save_name|peft_config\.(bias|task_type))|datasets\.(preprocessor_cfgs|save_intermediate\w*|train_val_split_seed|val_data)|trainer\.(?!total_|save_freq|test_freq|beta|loss_type)|training_args\.(strategy\.fsdp_config\.(?!sharding_strategy|cpu_offload)|disable_\w+|gradient_checkpointing_use_reentrant|load_checkpoint|logging_steps|max_ckpt\w*|max_norm|max_samples|merge_weights|override_training_dir|save_hf_ckpt|training_dir|use_tensorboard|use_wandb|trainer_callbacks|ring_\w+|M$|sampling_method|aux_loss_coef|l2$|label_smoothing|nll_loss_coef))|\.(profiler|checkpoint|router_replay|rollout|ref|policy_loss|wrap_policy|fsdp_config|tiled_mlp|fused_kernel_options|override_config|pf_ppo|kl_ctrl|mtp|exclude_modules|optimizer_impl|num_cycles|total_training_steps|lr_warmup_steps|pad_mode|truncation|split_seed|shuffle|dataloader_num_workers|seed|dtype|model_dtype|use_\w+|\w*reshard_after_forward|trust_remote_code|tokenizer_path|\w*max_token_len_per_gpu|\w*_max_samples|val_batch_size|\w+_key|filter_\w+|loss_agg_mode|entropy_\w+|clip_ratio_\w+|kl_loss_type|hybrid_engine|return_\w+|norm_adv\w*|gamma|lam|kl_penalty|adv_estimator|grad_accum_dtype|strategy|forward_prefetch|nccl_timeout|data_loader_seed|is_saving_checkpoint_in_lora)(\.|$)/;

/** Undefined where it is a recipe of neither trainer. */
export function tuningDraft(k: Keys): Draft | undefined {
  const type = k.text("run.model_type");
  const said = type === "verl" ? verl(k) : type === "llm_finetuning_aws" ? amazon(k) : undefined;
  if (said === undefined) return undefined;
  const machines = k.list("instance_types").map(String);
  const instance = k.text("instance_type") ?? machines.find((m) => m === "ml.p5.48xlarge") ?? machines[0];
  k.rest(silent);
  return {
    stage: "tuned",
    precision: "bf16",
    provider: "hyperpod",
    ...given("orchestrator", { k8s: "eks", slurm: "slurm" }[k.text("cluster_type") ?? ""] as Draft["orchestrator"]),
    ...given("instance", instance),
    gpus: (k.number("trainer.devices") ?? 8) * (k.number("trainer.num_nodes") ?? 1),
    ...said,
  };
}

type Said = Pick<Draft, "objective" | "model" | "datasets" | "length"> & Partial<Draft>;

/** Where a training job finds its channel `train`. */
const place = "/opt/ml/input/data/train";
const chats: Entries = [
  ["format", "chat"],
  ["messages", '"messages"'],
];

function placed(file: string | undefined, k: Keys): string {
  if (file === undefined) k.lost(`where the data lies: the recipe leaves it to the job (${place} stands in)`);
  return file ?? place;
}

function amazon(k: Keys): Said {
  const a = (key: string): string => `training_config.training_args.${key}`;
  const m = (key: string): string => `training_config.model_config.${key}`;
  const dpo = k.text(a("trainer_type")) === "dpo";
  const beta = k.number(a("beta"));
  const betas = k.list(a("adam_betas")).map(Number);
  const loss = k.text(a("loss_type"));
  if (loss !== undefined && loss !== "sigmoid") k.lost(`loss_type = ${loss}`);
  const rank = k.number(m("peft_config.r"));
  const hold = k.number("training_config.datasets.train_val_split_ratio");
  const clips = k.flag(a("gradient_clipping"));
  const threshold = k.number(a("gradient_clipping_threshold"));
  const shards = { FULL_SHARD: "zero3", HYBRID_SHARD: "zero3", SHARD_GRAD_OP: "zero2", NO_SHARD: "none" };
  const strategy = k.text(a("strategy.fsdp_config.sharding_strategy")) as keyof typeof shards | undefined;
  const file = placed(k.text("training_config.datasets.train_data.file_path", "training_config.datasets.data_dir"), k);
  return {
    objective: dpo
      ? beta === undefined
        ? "dpo"
        : `dpo { beta = ${beta} }`
      : k.flag(a("pretrain_mode"))
        ? "pretrain"
        : "sft",
    model: { ...given("id", k.text(m("model_name_or_path"))), weights: true },
    datasets: [dataset(file, dpo ? [["format", "preference"]] : chats)],
    ...(rank === undefined
      ? {}
      : {
          adapter: lora(
            k.text(m("peft_config.peft_type"))?.startsWith("q") === true ? "qlora" : "lora",
            rank,
            k.number(m("peft_config.lora_alpha")),
            k.number(m("peft_config.lora_dropout")),
            k.list(m("peft_config.target_modules")).map(String),
            k,
          ),
        }),
    length: { epochs: k.number(a("max_epochs")) ?? 1 },
    ...given("sequences", k.number(a("train_batch_size"))),
    ...given("micro", k.number(a("micro_train_batch_size"))),
    ...given("context", k.number(a("max_len"))),
    parallel: { shard: shards[strategy ?? "FULL_SHARD"] ?? "zero3" },
    recompute: k.flag(a("gradient_checkpointing")) ? "full" : "none",
    optimizer: optimizerText({
      kind: "adamw",
      lr: k.number(a("learning_rate")),
      weightDecay: k.number(a("weight_decay")),
      beta1: betas[0],
      beta2: betas[1],
      clip: clips ? threshold : undefined,
      schedule: scheduleKind(k.text(a("lr_scheduler")), k),
      warmup: k.number(a("lr_warmup_ratio")),
    }),
    ...given("saveSteps", whole(k.number(a("save_steps")))),
    ...given("evaluateSteps", whole(k.number(a("eval_steps")))),
    ...(hold === undefined || hold >= 1 ? {} : { holdout: Number((1 - hold).toFixed(6)) }),
    ...given("seed", k.number(a("seed"))),
    ...(dpo ? {} : { packing: k.flag(a("packing_samples")) }),
  };
}

function verl(k: Keys): Said {
  const t = (key: string): string => `training_config.${key}`;
  const grpo = k.text(t("algorithm.adv_estimator")) !== undefined;
  const part = (key: string): string => t(grpo ? `actor_rollout_ref.${key}` : key);
  const actor = (key: string): string => t(grpo ? `actor_rollout_ref.actor.${key}` : key);
  const dpo = k.text(t("data.chosen_key")) !== undefined;
  const optim = (key: string): string => actor(`optim.${key}`);
  const rank = k.number(part("model.lora_rank")) ?? 0;
  const alpha = k.number(part("model.lora_alpha"));
  const betas = k.list(optim("betas")).map(Number);
  const steps = k.number(optim("lr_warmup_steps")) ?? -1;
  const prompt = k.number(t("data.max_prompt_length"));
  const answer = k.number(t("data.max_response_length"));
  const context = grpo ? (prompt ?? 512) + (answer ?? 1024) : k.number(t("data.max_length"));
  const hold = k.number(t("data.train_val_split_ratio"));
  const ulysses = k.number(actor("ulysses_sequence_parallel_size"), t("engine.ulysses_sequence_parallel_size")) ?? 1;
  const size = k.number(actor("fsdp_config.fsdp_size"), t("engine.fsdp_size")) ?? -1;
  const micro = k.number(actor("ppo_micro_batch_size_per_gpu"), t("data.micro_batch_size_per_gpu"));
  const files = k.list(t("data.train_files")).map(String);
  const group = k.number(part("rollout.n")) ?? 8;
  const batch = k.number(t("data.train_batch_size"));
  const targets = k.list(part("model.target_modules")).map(String);
  return {
    objective: grpo ? grpoText(k, group, answer) : dpo ? dpoText(k) : "sft",
    ...(grpo ? { rewards: true } : {}),
    model: { ...given("id", k.text(part("model.path"))), weights: true },
    datasets: [dataset(placed(files[0], k), grpo ? [["format", "prompts"]] : dpo ? [["format", "preference"]] : chats)],
    ...(rank === 0
      ? {}
      : {
          adapter: lora(
            "lora",
            rank,
            alpha,
            k.number(part("model.lora_dropout")),
            // verl takes one pattern: `.*q_proj.*|.*k_proj.*`.
            targets.flatMap((x) => x.replaceAll(".*", "").split("|")),
            k,
          ),
        }),
    length: { epochs: k.number(t("trainer.total_epochs")) ?? 1 },
    ...given("sequences", batch === undefined ? undefined : grpo ? batch * group : batch),
    ...given("micro", micro),
    ...given("context", context),
    parallel: {
      ...(size > 1 ? { shard: "hsdp", shard_group: size } : { shard: "zero3" }),
      ...(ulysses > 1 ? { context: ulysses } : {}),
    },
    recompute: k.flag(part("model.enable_gradient_checkpointing")) ? "full" : "none",
    optimizer: optimizerText({
      kind: optimizerKind(k.text(optim("optimizer")) ?? "adamw", k),
      lr: k.number(optim("lr")),
      weightDecay: k.number(optim("weight_decay")),
      beta1: betas[0],
      beta2: betas[1],
      clip: k.number(actor("grad_clip"), optim("clip_grad")),
      schedule: scheduleKind(k.text(optim("lr_scheduler_type"), optim("warmup_style")) ?? "constant", k),
      ...(steps > 0 ? { warmupSteps: steps } : { warmup: k.number(optim("lr_warmup_steps_ratio")) }),
      minLr: k.number(optim("min_lr_ratio")),
    }),
    ...given("saveSteps", stepsOf(k, t("trainer.save_freq"))),
    ...given("evaluateSteps", stepsOf(k, t("trainer.test_freq"))),
    ...(grpo || hold === undefined || hold >= 1 ? {} : { holdout: Number((1 - hold).toFixed(6)) }),
    ...given("seed", k.number(t("data.seed"), t("engine.seed"))),
  };
}

/** A number of steps; -1 is never, and `after_each_epoch` is what happens anyway. */
function stepsOf(k: Keys, key: string): number | undefined {
  const value = k.text(key);
  return value === undefined || !/^\d+$/.test(value) ? undefined : whole(Number(value));
}

function dpoText(k: Keys): string {
  const beta = k.number("training_config.trainer.beta");
  const loss = k.text("training_config.trainer.loss_type");
  if (loss !== undefined && loss !== "sigmoid") k.lost(`loss_type = ${loss}`);
  return beta === undefined ? "dpo" : `dpo { beta = ${beta} }`;
}

function grpoText(k: Keys, group: number, longest: number | undefined): string {
  const actor = (key: string): string => `training_config.actor_rollout_ref.actor.${key}`;
  const estimator = k.text("training_config.algorithm.adv_estimator");
  if (estimator !== "grpo") k.lost(`adv_estimator = ${estimator} (grpo stands in)`);
  const kl = k.flag(actor("use_kl_loss")) ? (k.number(actor("kl_loss_coef")) ?? 0) : 0;
  const inner = [`reward = right`, `group_size = ${group}`, `kl = ${kl}`];
  if (longest !== undefined) inner.push(`max_completion = ${longest} tokens`);
  const clip = k.number(actor("clip_ratio"));
  if (clip !== undefined) inner.push(`clip = ${clip}`);
  const updates = k.number(actor("ppo_epochs")) ?? 1;
  if (updates > 1) inner.push(`updates = ${updates}`);
  const temperature = k.number("training_config.actor_rollout_ref.rollout.temperature");
  if (temperature !== undefined) inner.push(`temperature = ${temperature}`);
  k.lost("the reward functions (write them as rewards; exact answers stand in)");
  return `grpo { ${inner.join(", ")} }`;
}
