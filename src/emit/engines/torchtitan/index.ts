/**
 * torchtitan in both its configuration forms: `train.toml` (up to 0.2.2, `--job.config_file`), started by default, and
 * `llmpcfg/config_registry.py` (from 0.3.0, `--module llmpcfg --config stage`). `llmp_titan.py` adds the model's shape, the
 * planned data order and the metrics file to 0.2.2 (`experimental.custom_import`).
 */
import type { Diagnostic, Outcome } from "../../../diagnostics/index.js";
import { failed, learningRate, offloads, recomputeRule, refuse, startsWithWeights } from "../../common/lower.js";
import { json, py } from "../../common/quote.js";
import { onCpu, type StageView } from "../../common/stage.js";
import { Float, type Toml, toml } from "../../common/toml.js";
import { trainingConfig } from "../../common/training-config.js";
import { dataSettings } from "../common/data.js";
import { mixPy } from "../common/mix-py.js";
import type { EngineBundle, EngineLowering } from "../types.js";
import { degrees, moduleNames, scheduleName } from "./layout.js";
import { modelArgs, modelName } from "./model.js";
import { cpuPy, exportPy } from "./python.js";
import { hasRegistry, registryPy } from "./registry.js";
import { titanPy } from "./titan-py.js";

const requirements = ["torch==2.13.0", "torchtitan==0.2.2", "torchao==0.18.0", "triton", "datasets==4.7.0"];

function problems(view: StageView): Diagnostic[] {
  const { parallel } = view.stage;
  const found: Diagnostic[] = [];
  if (onCpu(view) && view.spec.packing.value)
    found.push(
      refuse(view, "documents kept apart on processors", "FlexAttention has no backward there", "packing = false"),
    );
  if (parallel.shard === "none" && parallel.context > 1)
    found.push(refuse(view, "context parallelism without sharding", "torchtitan's CP ranks are part of the FSDP mesh"));
  return found;
}

function activationCheckpoint(view: StageView): Toml {
  const rule = recomputeRule(view);
  if (rule.kind === "full") return { mode: "full" };
  if (rule.kind === "selective") return { mode: "selective", selective_ac_option: "op" };
  if (rule.kind === "every") return { mode: "selective", selective_ac_option: String(rule.layers) };
  return { mode: "none" };
}

function quantize(view: StageView): { readonly converters: readonly string[]; readonly table: Toml } {
  const compute = view.precision.compute.value;
  if (compute === "fp8") {
    const tensorwise = view.precision.recipe.value === "tensorwise";
    return {
      converters: ["quantize.linear.float8"],
      table: {
        linear: {
          float8: tensorwise
            ? {
                enable_fsdp_float8_all_gather: view.stage.parallel.shard !== "none",
                precompute_float8_dynamic_scale_for_fsdp: view.stage.parallel.shard !== "none",
                filter_fqns: ["output"],
              }
            : { recipe_name: "rowwise", filter_fqns: ["output"] },
        },
      },
    };
  }
  if (compute === "mxfp8")
    return {
      converters: ["quantize.linear.mx"],
      table: { linear: { mx: { recipe_name: "mxfp8_cublas", filter_fqns: ["output"] } } },
    };
  return { converters: [], table: {} };
}

function config(view: StageView): { readonly [key: string]: Toml } {
  const { stage, spec, optimizer } = view;
  const { parallel } = stage;
  const { replicate, shard } = degrees(view);
  const lr = learningRate(view);
  const quant = quantize(view);
  // A pipeline runs all micro-batches of a step in one call.
  const localBatch = parallel.micro_batch * (parallel.pipeline > 1 ? parallel.accumulation : 1);
  const { masterWeights, weights } = view.precision;
  const dtype = masterWeights.value === "none" && weights.value === "bf16" ? "bfloat16" : "float32";
  const low = view.precision.compute.value === "fp32" ? "float32" : "bfloat16";
  return {
    job: { dump_folder: "output", description: `llmp stage ${stage.name}` },
    experimental: { custom_import: "llmp_titan" },
    metrics: { log_freq: 1, disable_color_printing: true },
    model: { name: modelName(view), flavor: "llmp", hf_assets_path: "tokenizer", converters: quant.converters },
    optimizer: {
      name: "AdamW",
      lr: new Float(lr.peak),
      beta1: new Float(optimizer.beta1),
      beta2: new Float(optimizer.beta2),
      eps: new Float(optimizer.eps),
      weight_decay: new Float(optimizer.weightDecay),
    },
    lr_scheduler: {
      warmup_steps: lr.warmup,
      decay_ratio:
        lr.kind === "constant" ? new Float(0) : lr.kind === "wsd" ? new Float(lr.decaySteps / stage.steps) : undefined,
      decay_type: lr.kind === "cosine" ? "cosine" : "linear",
      min_lr_factor: new Float(lr.kind === "constant" ? 1 : lr.minRatio),
    },
    training: {
      dataset: "llmp",
      dataset_path: "data",
      local_batch_size: localBatch,
      global_batch_size: stage.global_batch,
      seq_len: stage.context_length,
      max_norm: new Float(optimizer.clip > 0 ? optimizer.clip : 1e9),
      steps: stage.steps,
      enable_cpu_offload: offloads(view, "optimizer"),
      dtype,
      mixed_precision_param: low,
      mixed_precision_reduce: "float32",
    },
    parallelism: {
      data_parallel_replicate_degree: replicate,
      data_parallel_shard_degree: shard,
      fsdp_reshard_after_forward: "default",
      tensor_parallel_degree: parallel.tensor,
      pipeline_parallel_degree: parallel.pipeline,
      pipeline_parallel_schedule: parallel.pipeline > 1 ? scheduleName(view) : undefined,
      pipeline_parallel_microbatch_size: parallel.pipeline > 1 ? parallel.micro_batch : undefined,
      module_fqns_per_model_part: parallel.pipeline > 1 ? moduleNames(view) : undefined,
      context_parallel_degree: parallel.context,
      expert_parallel_degree: parallel.expert,
    },
    checkpoint: {
      enable: true,
      // A folder that exists would be taken for checkpoints to go on from, and weights to start from be left out.
      folder: "../checkpoints/torchtitan",
      interval: view.saveSteps ?? stage.steps,
      initial_load_path: startsWithWeights(view) ? "model" : undefined,
      initial_load_in_hf: startsWithWeights(view) ? true : undefined,
      last_save_model_only: true,
      last_save_in_hf: true,
      export_dtype: dtype,
      async_mode: "async",
      keep_latest_k: 2,
    },
    activation_checkpoint: activationCheckpoint(view),
    compile: { enable: !onCpu(view) },
    quantize: quant.table,
    validation:
      view.evaluateSteps === undefined
        ? { enable: false }
        : {
            enable: true,
            dataset: "llmp_evaluate",
            dataset_path: "data",
            local_batch_size: localBatch,
            seq_len: stage.context_length,
            freq: view.evaluateSteps,
            steps: 16,
          },
    debug: { seed: spec.seed.value },
  };
}

function lower(view: StageView): Outcome<EngineBundle> {
  const found = problems(view);
  if (found.length > 0) return failed(found);
  const args = py({
    family: modelName(view),
    args: modelArgs(view),
    tokens_per_step: view.tokensPerStep,
    bytes: view.tokenizer?.kind.value === "bytes",
  });
  const cpu = onCpu(view);
  const launch = [...(cpu ? ["cpu.py"] : ["-m", "torchtitan.train"]), "--job.config_file", "train.toml"];
  return {
    value: {
      files: [
        { path: "train.toml", text: toml(config(view), ["torchtitan 0.2.2. Written by llmp."]) },
        { path: "llmp_titan.py", text: titanPy(args) },
        ...(hasRegistry(view)
          ? [
              { path: "llmpcfg/__init__.py", text: "" },
              { path: "llmpcfg/config_registry.py", text: registryPy(view) },
            ]
          : []),
        ...(cpu ? [{ path: "cpu.py", text: cpuPy }] : []),
        { path: "export.py", text: exportPy },
        { path: "hf/config.json", text: trainingConfig(view.model) },
        { path: "mix.py", text: mixPy },
        { path: "data.json", text: json(dataSettings(view)) },
      ],
      launcher: "torchrun",
      commands: [launch],
      after: [["python", "export.py"]],
      env: { PYTORCH_CUDA_ALLOC_CONF: "expandable_segments:True" },
      requirements,
      notes: [
        "train.toml is for torchtitan 0.2.2, which requirements.txt installs, with torch 2.13: PyPI's is built for CUDA 13 (driver 580 or newer). Where machines have an older driver, name an image with a torch of its own, and take torch out of requirements.txt.",
        ...(hasRegistry(view)
          ? ["With torchtitan 0.3 start `-m torchtitan.train --module llmpcfg --config stage` instead."]
          : []),
      ],
    },
    diagnostics: [],
  };
}

export const torchtitan: EngineLowering = { name: "torchtitan", readsRows: ["pretrain"], requirements, lower };
