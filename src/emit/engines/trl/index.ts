/** TRL with accelerate FSDP2: train.yaml (all settings), train.py (reads it), accelerate.yaml (sharding), data.json + mix.py. */
import type { Diagnostic, Outcome } from "../../../diagnostics/index.js";
import { hasTorch } from "../../common/images.js";
import { failed, learningRate, offloads, recomputeRule, refuse, startsWithWeights } from "../../common/lower.js";
import { json } from "../../common/quote.js";
import { numberOption, onCpu, option, type StageView, stringOption } from "../../common/stage.js";
import { layerClass, lostInConfig, trainingConfig } from "../../common/training-config.js";
import { type Yaml, yaml } from "../../common/yaml.js";
import { dataSettings } from "../common/data.js";
import { mixPy } from "../common/mix-py.js";
import { rewardsJson } from "../common/rewards.js";
import type { EngineBundle, EngineLowering } from "../types.js";
import { byteTokenizerPy, rewardsPy, trainPy } from "./train-py.js";

const requirements = [
  "torch==2.13.0",
  "trl==1.16.0",
  "transformers==5.23.0",
  "peft==0.21.2",
  "accelerate==1.15.0",
  "datasets==5.2.0",
  "pyyaml",
];

const torchDtype: Readonly<Record<string, string>> = {
  fp32: "float32",
  tf32: "float32",
  bf16: "bfloat16",
  fp16: "float16",
};

/** Weights are loaded in the master copy's dtype (autocast casts them down), or in their own where there is none. */
function weightsDtype(view: StageView): string {
  const { masterWeights, weights } = view.precision;
  const kept = view.adapter !== undefined || masterWeights.value === "none" ? weights.value : masterWeights.value;
  return torchDtype[kept] ?? "bfloat16";
}

function optimizer(view: StageView): { readonly optim: string; readonly optim_args?: string } {
  const { kind, beta1 } = view.optimizer;
  if (kind === "sgd") return { optim: "sgd", optim_args: `momentum=${beta1}` };
  if (kind === "lion") return { optim: "lion_32bit" };
  if (kind === "adafactor") return { optim: "adafactor", optim_args: "scale_parameter=False,relative_step=False" };
  return { optim: "adamw_torch" };
}

/** The planned learning rate, step by step, is made by train.py: transformers' own warm-ups start from 0, not from a share. */
function schedule(view: StageView): Yaml {
  const lr = learningRate(view);
  return { kind: lr.kind, steps: view.stage.steps, warmup: lr.warmup, decay: lr.decaySteps, min_ratio: lr.minRatio };
}

/** Another stage reads this one's weights, and this one trains an adapter: they are merged at the end. */
const mergesAdapter = (view: StageView): boolean =>
  view.adapter !== undefined &&
  view.plan.pipeline.stages.some((s) =>
    [s.startsFrom, s.objective.options.teacher?.value, s.objective.options.reference?.value].includes(view.stage.name),
  );

function problems(view: StageView): Diagnostic[] {
  const { parallel } = view.stage;
  const found = lostInConfig(view);
  if (mergesAdapter(view) && (parallel.shard !== "none" || view.adapter?.kind.value === "qlora"))
    found.push(
      refuse(
        view,
        "a later stage on a sharded or quantised adapter",
        "adapters are merged on whole weights only: shard = none and kind = lora, or merge it by hand",
      ),
    );
  const { masterWeights, reduce, weights } = view.precision;
  if (view.adapter !== undefined && masterWeights.value === "none" && weights.value !== "fp32")
    found.push(refuse(view, "an adapter without master weights", "PEFT keeps adapters in fp32"));
  if (reduce.value !== "fp32" && parallel.shard === "none" && view.stage.cluster.accelerators > 1)
    found.push(refuse(view, `reduction in ${reduce.value} without sharding`, "DDP reduces in the weights' dtype"));
  if (offloads(view, "optimizer") && parallel.shard === "none")
    found.push(refuse(view, "optimizer offload without sharding", "offload is FSDP2's fsdp_offload_params"));
  return found;
}

function objective(view: StageView): Yaml {
  const { kind } = view.spec.objective;
  const out: Record<string, Yaml> = { kind };
  if (kind === "sft")
    out.sft = {
      completion_only_loss: option(view, "trainOnPrompt") === true ? false : undefined,
      packing: view.spec.packing.value,
    };
  if (kind === "dpo")
    out.dpo = {
      beta: numberOption(view, "beta", 0.1),
      loss_type: [stringOption(view, "loss") ?? "sigmoid"],
      label_smoothing: numberOption(view, "labelSmoothing", 0),
      padding_free: view.spec.packing.value ? true : undefined,
    };
  if (kind === "grpo")
    out.grpo = {
      num_generations: numberOption(view, "groupSize", 8),
      beta: numberOption(view, "kl", 0.001),
      temperature: numberOption(view, "temperature", 1),
      max_completion_length: numberOption(view, "maxCompletion", 512),
      epsilon: numberOption(view, "clip", 0.2),
      num_iterations: numberOption(view, "updates", 1),
      steps_per_generation: stepsPerGeneration(view),
      scale_rewards: stringOption(view, "scale") === "none" ? "none" : "group",
    };
  if (kind === "distill") {
    out.distill = {
      temperature: numberOption(view, "temperature", 1),
      divergence: stringOption(view, "divergence") ?? "forward_kl",
      hard_labels: numberOption(view, "hardLabels", 0),
    };
    out.sft = {
      completion_only_loss: option(view, "completionsOnly") === true ? undefined : false,
      packing: view.spec.packing.value,
    };
  }
  return out;
}

/** Answers are generated in as many portions as the plan has; TRL's default is all of a step at once. */
function stepsPerGeneration(view: StageView): number | undefined {
  const { phases, parallel } = view.stage;
  const portions = phases?.find((p) => p.phase === "rollout.decode")?.portions ?? 1;
  const all = parallel.accumulation * numberOption(view, "groupSize", 8);
  return portions > 1 ? all / portions : undefined;
}

function trainer(view: StageView): Yaml {
  const { stage, spec, precision } = view;
  const { optimizer: opt } = view;
  const groups = spec.objective.kind === "grpo" ? numberOption(view, "groupSize", 8) : 1;
  const lr = learningRate(view);
  const fsdp = stage.parallel.shard !== "none" && stage.cluster.accelerators > 1;
  const compute = precision.compute.value;
  return {
    output_dir: "checkpoints",
    max_steps: stage.steps,
    per_device_train_batch_size: stage.parallel.micro_batch,
    gradient_accumulation_steps: stage.parallel.accumulation * groups,
    learning_rate: lr.peak,
    lr_scheduler_type: "constant",
    ...optimizer(view),
    weight_decay: opt.weightDecay,
    adam_beta1: opt.beta1,
    adam_beta2: opt.beta2,
    adam_epsilon: opt.eps,
    max_grad_norm: opt.clip,
    bf16: compute === "bf16",
    fp16: compute === "fp16",
    tf32: compute === "tf32" ? true : undefined,
    gradient_checkpointing: !fsdp && recomputeRule(view).kind === "full",
    activation_offloading: offloads(view, "activations") && spec.objective.kind !== "grpo" ? true : undefined,
    seed: spec.seed.value,
    data_seed: spec.seed.value,
    logging_steps: 1,
    logging_nan_inf_filter: false,
    report_to: "none",
    disable_tqdm: true,
    save_strategy: view.saveSteps === undefined ? "no" : "steps",
    save_steps: view.saveSteps,
    save_total_limit: view.saveSteps === undefined ? undefined : 2,
    dataloader_num_workers: 0,
    remove_unused_columns: spec.objective.kind === "grpo" ? false : undefined,
    accelerator_config: { dispatch_batches: false, split_batches: false },
    use_cpu: onCpu(view) ? true : undefined,
    ddp_find_unused_parameters: false,
  };
}

function quantization(view: StageView): Yaml {
  if (view.adapter?.kind.value !== "qlora") return undefined;
  const compute = torchDtype[view.precision.compute.value] ?? "bfloat16";
  return {
    load_in_4bit: true,
    bnb_4bit_quant_type: "nf4",
    bnb_4bit_use_double_quant: true,
    bnb_4bit_compute_dtype: compute,
    // FSDP shards storage: it must have the dtype of the other weights.
    bnb_4bit_quant_storage: compute,
  };
}

function settings(view: StageView): Yaml {
  const { stage, spec, model, adapter } = view;
  const dtype = weightsDtype(view);
  const attention = model.attentionSoftcap === undefined ? "sdpa" : "eager";
  return {
    context_length: stage.context_length,
    global_batch: stage.global_batch,
    prompts_per_step: stage.global_batch,
    tokens_per_step: view.tokensPerStep,
    output: "output",
    resume: view.saveSteps !== undefined,
    merge: mergesAdapter(view),
    evaluate: view.evaluateSteps ?? 0,
    packing: spec.packing.value,
    objective: objective(view),
    model: {
      path: startsWithWeights(view) ? "model" : null,
      config: "hf",
      dtype,
      vocab: model.vocab.value,
      load: { attn_implementation: attention },
      quantization: quantization(view),
      freeze: spec.freeze.value,
    },
    teacher:
      view.teacher === undefined
        ? undefined
        : {
            path: "teacher",
            config: "teacher-hf",
            dtype: torchDtype[view.precision.compute.value] ?? "bfloat16",
            load: { attn_implementation: attention },
          },
    reference:
      stringOption(view, "reference") === undefined ? undefined : { path: "reference", config: "hf", load: {} },
    adapter:
      adapter === undefined
        ? undefined
        : {
            r: adapter.rank.value,
            lora_alpha: adapter.alpha.value,
            lora_dropout: adapter.dropout.value,
            target_modules: adapter.targets.value.includes("all_linear") ? "all-linear" : adapter.targets.value,
            bias: "none",
            task_type: "CAUSAL_LM",
          },
    tokenizer:
      view.tokenizer === undefined
        ? { path: startsWithWeights(view) ? "model" : "tokenizer" }
        : view.tokenizer.kind.value === "bytes"
          ? { bytes: true }
          : { path: "tokenizer", chat_template: view.tokenizer.chatTemplate?.value },
    schedule: schedule(view),
    reduce: stage.parallel.shard === "none" ? undefined : (torchDtype[view.precision.reduce.value] ?? "float32"),
    trainer: trainer(view),
  };
}

/** accelerate's launcher configuration: FSDP2, hybrid sharding, activation checkpointing. */
function accelerate(view: StageView): Yaml {
  const { parallel, cluster } = view.stage;
  const compute = view.precision.compute.value;
  const cpu = onCpu(view);
  const mixed = compute === "bf16" || compute === "fp16" ? compute : "no";
  const base = {
    compute_environment: "LOCAL_MACHINE",
    mixed_precision: mixed,
    use_cpu: cpu,
    debug: false,
    rdzv_backend: "static",
    same_network: true,
  };
  if (parallel.shard === "none" || cluster.accelerators === 1)
    return { ...base, distributed_type: cluster.accelerators === 1 ? "NO" : cpu ? "MULTI_CPU" : "MULTI_GPU" };
  const hybrid = parallel.shard === "hsdp" && parallel.shard_group < parallel.data;
  return {
    ...base,
    distributed_type: "FSDP",
    fsdp_config: {
      fsdp_version: 2,
      fsdp_auto_wrap_policy: "TRANSFORMER_BASED_WRAP",
      fsdp_transformer_layer_cls_to_wrap: layerClass(view.model),
      fsdp_reshard_after_forward: parallel.shard !== "zero2",
      fsdp_offload_params: offloads(view, "optimizer"),
      fsdp_state_dict_type: "SHARDED_STATE_DICT",
      fsdp_cpu_ram_efficient_loading: startsWithWeights(view) && view.adapter?.kind.value !== "qlora",
      fsdp_activation_checkpointing: recomputeRule(view).kind === "full",
    },
    parallelism_config: hybrid
      ? {
          parallelism_config_dp_replicate_size: Math.round(parallel.data / parallel.shard_group),
          parallelism_config_dp_shard_size: parallel.shard_group,
          parallelism_config_tp_size: 1,
          parallelism_config_cp_size: 1,
        }
      : undefined,
  };
}

function lower(view: StageView): Outcome<EngineBundle> {
  const found = problems(view);
  if (found.length > 0) return failed(found);
  const comment = ["Written by llmp. Read by train.py."];
  const files = [
    { path: "train.py", text: trainPy },
    { path: "train.yaml", text: yaml(settings(view), comment) },
    { path: "accelerate.yaml", text: yaml(accelerate(view), ["Written by llmp. Read by accelerate launch."]) },
    { path: "mix.py", text: mixPy },
    { path: "data.json", text: json(dataSettings(view)) },
    { path: "hf/config.json", text: trainingConfig(view.model) },
    ...(view.teacher === undefined ? [] : [{ path: "teacher-hf/config.json", text: trainingConfig(view.teacher) }]),
    ...(view.tokenizer?.kind.value === "bytes" ? [{ path: "byte_tokenizer.py", text: byteTokenizerPy }] : []),
    ...(view.spec.objective.kind === "grpo"
      ? [
          { path: "rewards.py", text: rewardsPy },
          { path: "rewards.json", text: rewardsJson(view) },
        ]
      : []),
  ];
  const extra = [
    ...(view.adapter?.kind.value === "qlora" || view.optimizer.kind === "lion" ? ["bitsandbytes"] : []),
    ...(view.datasets.some((d) => d.source.value.some((s) => s.endsWith(".zst"))) ? ["zstandard"] : []),
  ];
  return {
    value: {
      files,
      launcher: "accelerate",
      commands: [["train.py"]],
      env: { TOKENIZERS_PARALLELISM: "false" },
      requirements: [...requirements, ...extra].filter((r) => !(r.startsWith("torch==") && hasTorch(view))),
      notes: [],
    },
    diagnostics: [],
  };
}

export const trl: EngineLowering = {
  name: "trl",
  readsRows: ["pretrain", "sft", "dpo", "grpo", "distill"],
  requirements,
  stopsEarly: true,
  lower,
};
