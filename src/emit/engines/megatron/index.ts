/**
 * Megatron: `args/phase-N.yaml` for Megatron-LM's `pretrain_gpt.py` (its arguments by name, turned into a command line by
 * `launch.py`) and `bridge.yaml` with the same values under Megatron-Bridge's ConfigContainer names.
 */
import type { Diagnostic, Outcome } from "../../../diagnostics/index.js";
import {
  chunksOfTrunk,
  evenChunks,
  failed,
  learningRate,
  offloads,
  recomputeRule,
  refuse,
  startsWithWeights,
} from "../../common/lower.js";
import { json } from "../../common/quote.js";
import type { StageView } from "../../common/stage.js";
import { trainingConfig } from "../../common/training-config.js";
import { type Yaml, yaml } from "../../common/yaml.js";
import { dataSettings } from "../common/data.js";
import { mixPy } from "../common/mix-py.js";
import { type Phase, phases } from "../common/phases.js";
import { prepareTextPy } from "../common/prepare-py.js";
import type { EngineBundle, EngineLowering } from "../types.js";
import { launchPy } from "./launch-py.js";

/** `Et*2|t*3|tL`: `E` embedding, `t` a layer, `L` the loss, `|` between model chunks (pipeline_model_parallel_layout). */
export function layout(view: StageView): string {
  const chunks = chunksOfTrunk(view);
  return chunks
    .map(
      (chunk, i) =>
        `${i === 0 ? "E" : ""}${chunk.length > 0 ? `t*${chunk.length}` : ""}${i === chunks.length - 1 ? "L" : ""}`,
    )
    .join("|");
}

function recompute(view: StageView): Record<string, Yaml> {
  const rule = recomputeRule(view);
  if (rule.kind === "selective") return { recompute_granularity: "selective", recompute_modules: ["core_attn"] };
  if (rule.kind === "full")
    return { recompute_granularity: "full", recompute_method: "uniform", recompute_num_layers: 1 };
  if (rule.kind === "block")
    return { recompute_granularity: "full", recompute_method: "block", recompute_num_layers: rule.layers };
  return {};
}

function precision(view: StageView): Record<string, Yaml> {
  const { compute, recipe, reduce } = view.precision;
  const { gradients, optimizerState } = view.precision;
  const lowState = optimizerState.value !== "fp32";
  const aware = lowState || gradients.value === "bf16";
  const base: Record<string, Yaml> = {
    accumulate_allreduce_grads_in_fp32: reduce.value === "fp32" && gradients.value === "fp32" ? true : undefined,
    grad_reduce_in_bf16: reduce.value === "bf16" ? true : undefined,
    use_precision_aware_optimizer: aware ? true : undefined,
    main_grads_dtype: gradients.value === "bf16" ? "bf16" : undefined,
    exp_avg_dtype: lowState ? optimizerState.value : undefined,
    exp_avg_sq_dtype: lowState ? optimizerState.value : undefined,
  };
  if (compute.value === "fp32") return {};
  if (compute.value === "fp16") {
    const scale = view.precision.lossScale.value;
    return { ...base, fp16: true, loss_scale: typeof scale === "number" ? scale : undefined };
  }
  if (compute.value === "bf16") return { ...base, bf16: true };
  const named = compute.value === "mxfp8" || recipe.value === "mx" ? "mxfp8" : recipe.value;
  return { ...base, bf16: true, fp8_format: named === "mxfp8" ? "e4m3" : "hybrid", fp8_recipe: named };
}

function moe(view: StageView): Record<string, Yaml> {
  const { moe: spec } = view.model;
  if (spec === undefined) return {};
  const frequency = spec.moeEvery.value;
  const layers = Array.from({ length: view.model.layers.value }, (_, i) =>
    i >= spec.denseLayers.value && (i - spec.denseLayers.value) % frequency === 0 ? 1 : 0,
  );
  return {
    num_experts: spec.experts.value,
    moe_router_topk: spec.expertsPerToken.value,
    moe_ffn_hidden_size: spec.moeFfn.value,
    moe_layer_freq: layers.every((l) => l === 1) ? 1 : `[${layers.join(",")}]`,
    moe_shared_expert_intermediate_size: spec.sharedExperts.value > 0 ? spec.sharedFfn.value : undefined,
    moe_shared_expert_gate: spec.sharedGate.value ? true : undefined,
    moe_router_load_balancing_type: spec.balancing.value === "aux_loss" ? "aux_loss" : "none",
    moe_aux_loss_coeff: spec.balancing.value === "aux_loss" ? spec.auxLoss.value : undefined,
    moe_router_enable_expert_bias: spec.balancing.value === "bias" ? true : undefined,
    moe_router_score_function: spec.routerScore.value,
    moe_router_topk_scaling_factor: spec.routedScale.value === 1 ? undefined : spec.routedScale.value,
    moe_router_num_groups: spec.groups.value > 1 ? spec.groups.value : undefined,
    moe_router_group_topk: spec.groups.value > 1 ? spec.groupsPerToken.value : undefined,
    moe_expert_capacity_factor: spec.capacityFactor?.value,
    moe_grouped_gemm: true,
    moe_token_dispatcher_type: "alltoall",
  };
}

function mla(view: StageView): Record<string, Yaml> {
  const spec = view.model.mla;
  if (spec === undefined) return {};
  return {
    multi_latent_attention: true,
    q_lora_rank: spec.qRank.value > 0 ? spec.qRank.value : undefined,
    kv_lora_rank: spec.kvRank.value,
    qk_head_dim: spec.nopeHeadDim.value,
    qk_pos_emb_head_dim: spec.ropeHeadDim.value,
    v_head_dim: spec.valueHeadDim.value,
  };
}

function model(view: StageView): Record<string, Yaml> {
  const { model: m, stage } = view;
  const scaling = m.ropeScaling?.value;
  return {
    num_layers: m.layers.value,
    hidden_size: m.hidden.value,
    ffn_hidden_size: m.ffn.value,
    num_attention_heads: m.heads.value,
    group_query_attention: m.kvHeads.value < m.heads.value ? true : undefined,
    num_query_groups: m.kvHeads.value < m.heads.value ? m.kvHeads.value : undefined,
    kv_channels: m.headDim.value,
    max_position_embeddings: Math.max(m.contextLength.value, stage.context_length),
    seq_length: stage.context_length,
    position_embedding_type: m.position.value === "learned" ? "learned_absolute" : m.position.value,
    rotary_base: m.position.value === "rope" ? m.ropeTheta.value : undefined,
    rotary_percent: m.position.value === "rope" ? m.ropeFraction.value : undefined,
    use_rope_scaling: scaling?.kind === "llama3" ? true : undefined,
    rope_scaling_factor: scaling?.kind === "llama3" ? scaling.factor : undefined,
    rope_type: m.mla === undefined ? undefined : scaling?.kind === "yarn" ? "yarn" : "rope",
    rotary_scaling_factor: scaling?.kind === "yarn" ? scaling.factor : undefined,
    mscale: scaling?.kind === "yarn" ? scaling.mscale : undefined,
    mscale_all_dim: scaling?.kind === "yarn" ? scaling.mscaleAllDim : undefined,
    normalization: m.norm.value === "rmsnorm" ? "RMSNorm" : "LayerNorm",
    norm_epsilon: m.normEps.value,
    qk_layernorm: m.qkNorm.value === "head" ? true : undefined,
    swiglu: m.gatedMlp.value && m.activation.value === "silu" ? true : undefined,
    squared_relu: m.activation.value === "relu_squared" ? true : undefined,
    disable_bias_linear: m.mlpBias.value ? undefined : true,
    add_qkv_bias: m.attentionBias.value === "qkv" ? true : undefined,
    untie_embeddings_and_output_weights: m.tiedEmbeddings.value ? undefined : true,
    window_size: m.slidingWindow === undefined ? undefined : [m.slidingWindow.value, 0],
    attention_dropout: m.dropout.value,
    hidden_dropout: m.dropout.value,
    vocab_size: m.vocab.value,
    make_vocab_size_divisible_by: 1,
    attention_backend: "auto",
    transformer_impl: "transformer_engine",
    use_mcore_models: true,
    ...moe(view),
    ...mla(view),
  };
}

function parallel(view: StageView): Record<string, Yaml> {
  const { parallel: p } = view.stage;
  const uneven = p.pipeline > 1 && !evenChunks(view);
  return {
    tensor_model_parallel_size: p.tensor,
    sequence_parallel: p.sequence && p.tensor > 1 ? true : undefined,
    pipeline_model_parallel_size: p.pipeline,
    pipeline_model_parallel_layout: uneven ? layout(view) : undefined,
    num_virtual_stages_per_pipeline_rank: p.virtual > 1 && !uneven ? p.virtual : undefined,
    context_parallel_size: p.context,
    expert_model_parallel_size: p.expert > 1 ? p.expert : undefined,
    expert_tensor_parallel_size: p.expert > 1 ? 1 : undefined,
    use_distributed_optimizer: p.shard === "zero1" ? true : undefined,
    overlap_grad_reduce: p.shard === "zero1" ? true : undefined,
    overlap_param_gather: p.shard === "zero1" ? true : undefined,
    optimizer_cpu_offload: offloads(view, "optimizer") ? true : undefined,
    optimizer_offload_fraction: offloads(view, "optimizer") ? 1 : undefined,
    use_precision_aware_optimizer: offloads(view, "optimizer") ? true : undefined,
  };
}

function training(view: StageView, phase: Phase): Record<string, Yaml> {
  const { stage, spec, optimizer } = view;
  const lr = learningRate(view);
  const wsd = lr.kind === "wsd";
  return {
    micro_batch_size: stage.parallel.micro_batch,
    global_batch_size: stage.global_batch,
    train_iters: stage.steps,
    exit_interval: phase.end < stage.steps ? phase.end : undefined,
    lr: lr.peak,
    min_lr: lr.kind === "constant" ? lr.peak : lr.min,
    lr_decay_style: wsd ? "WSD" : lr.kind,
    lr_decay_iters: stage.steps,
    lr_wsd_decay_style: wsd ? "linear" : undefined,
    lr_wsd_decay_iters: wsd ? lr.decaySteps : undefined,
    lr_warmup_iters: lr.warmup,
    optimizer: optimizer.kind === "sgd" ? "sgd" : "adam",
    weight_decay: optimizer.weightDecay,
    adam_beta1: optimizer.beta1,
    adam_beta2: optimizer.beta2,
    adam_eps: optimizer.eps,
    clip_grad: optimizer.clip,
    seed: spec.seed.value,
    log_interval: 1,
    log_throughput: true,
    save: "checkpoints",
    save_interval: view.saveSteps ?? stage.steps,
    load: "checkpoints",
    pretrained_checkpoint: startsWithWeights(view) ? "converted" : undefined,
    ckpt_format: "torch_dist",
    async_save: true,
    eval_interval: view.evaluateSteps ?? stage.steps + 1,
    eval_iters: view.evaluateSteps === undefined ? 0 : 10,
    dataloader_type: "single",
    data_path: [`prepared/phase-${phase.index}_text_document`],
    split: view.evaluateSteps === undefined ? "100,0,0" : "99,1,0",
    tokenizer_type: "HuggingFaceTokenizer",
    tokenizer_model: "tokenizer",
    reset_position_ids: spec.packing.value ? true : undefined,
    reset_attention_mask: spec.packing.value ? true : undefined,
    eod_mask_loss: undefined,
    no_mmap_bin_files: undefined,
    num_workers: 2,
  };
}

/** The same decisions under Megatron-Bridge's names (ConfigContainer of 0.6): `model`, `train`, `optimizer`, … */
function bridge(view: StageView): Yaml {
  const { stage, optimizer } = view;
  const lr = learningRate(view);
  const p = parallel(view);
  const { fp8_format, fp8_recipe } = precision(view);
  const m = { ...recompute(view) };
  return {
    model: {
      seq_length: stage.context_length,
      tensor_model_parallel_size: p.tensor_model_parallel_size,
      pipeline_model_parallel_size: p.pipeline_model_parallel_size,
      virtual_pipeline_model_parallel_size: stage.parallel.virtual > 1 ? stage.parallel.virtual : undefined,
      pipeline_model_parallel_layout: p.pipeline_model_parallel_layout,
      context_parallel_size: p.context_parallel_size,
      expert_model_parallel_size: stage.parallel.expert,
      sequence_parallel: stage.parallel.sequence && stage.parallel.tensor > 1,
      ...m,
    },
    train: {
      train_iters: stage.steps,
      micro_batch_size: stage.parallel.micro_batch,
      global_batch_size: stage.global_batch,
    },
    optimizer: {
      optimizer: optimizer.kind === "sgd" ? "sgd" : "adam",
      lr: lr.peak,
      min_lr: lr.min,
      weight_decay: optimizer.weightDecay,
      adam_beta1: optimizer.beta1,
      adam_beta2: optimizer.beta2,
      adam_eps: optimizer.eps,
      clip_grad: optimizer.clip,
      use_distributed_optimizer: stage.parallel.shard === "zero1",
    },
    scheduler: {
      lr_decay_style: lr.kind === "wsd" ? "WSD" : lr.kind,
      lr_warmup_iters: lr.warmup,
      lr_decay_iters: stage.steps,
    },
    ddp: {
      use_distributed_optimizer: stage.parallel.shard === "zero1",
      grad_reduce_in_fp32: view.precision.reduce.value === "fp32",
    },
    mixed_precision: fp8_recipe === undefined ? undefined : { fp8: fp8_format, fp8_recipe },
    checkpoint: { save: "checkpoints", load: "checkpoints", save_interval: view.saveSteps ?? stage.steps },
    rng: { seed: view.spec.seed.value },
  };
}

/** YaRN is multi-latent attention's, with the bounds of DeepSeek: no flag sets others (core_v0.16.1 arguments.py). */
function problems(view: StageView): Diagnostic[] {
  const { model: m, precision: p, stage } = view;
  const scaling = m.ropeScaling?.value;
  const found: Diagnostic[] = [];
  if (scaling?.kind === "yarn") {
    const usual = scaling.originalContext === 4096 && (scaling.betaFast ?? 32) === 32 && (scaling.betaSlow ?? 1) === 1;
    if (m.mla === undefined || !usual)
      found.push(
        refuse(
          view,
          "this YaRN RoPE scaling",
          "YaRN has flags for multi-latent attention only, over a context of 4096",
        ),
      );
  }
  const low = p.optimizerState.value !== "fp32" || p.gradients.value !== "fp32";
  if (low && stage.parallel.shard !== "zero1")
    found.push(
      refuse(
        view,
        "low-precision optimizer state without ZeRO-1",
        "the precision-aware optimizer is a distributed one",
      ),
    );
  return found;
}

function lower(view: StageView): Outcome<EngineBundle> {
  const found = problems(view);
  if (found.length > 0) return failed(found);
  const list = phases(view);
  const files = list.map((phase) => ({
    path: `args/phase-${phase.index}.yaml`,
    text: yaml(
      { ...model(view), ...parallel(view), ...recompute(view), ...precision(view), ...training(view, phase) },
      [
        `Megatron-LM arguments by name; launch.py makes the command line. Steps ${phase.start} to ${phase.end}. Written by llmp.`,
      ],
    ),
  }));
  return {
    value: {
      files: [
        ...files,
        {
          path: "bridge.yaml",
          text: yaml(bridge(view), ["Overrides for a Megatron-Bridge recipe (ConfigContainer). Written by llmp."]),
        },
        { path: "launch.py", text: launchPy },
        { path: "prepare.py", text: prepareTextPy },
        { path: "mix.py", text: mixPy },
        { path: "data.json", text: json(dataSettings(view)) },
        { path: "hf/config.json", text: trainingConfig(view.model) },
      ],
      launcher: "torchrun",
      commands: list.map((phase) => ["launch.py", `args/phase-${phase.index}.yaml`]),
      before: [
        ["python", "launch.py", "--prepare", String(list.length)],
        ...(startsWithWeights(view) ? [["python", "launch.py", "--convert", "model", "converted"]] : []),
      ],
      env: { CUDA_DEVICE_MAX_CONNECTIONS: "1", NVTE_FWD_LAYERNORM_SM_MARGIN: "16", NVTE_BWD_LAYERNORM_SM_MARGIN: "16" },
      requirements: [
        "megatron-core==0.16.1",
        "transformer-engine[pytorch]",
        "transformers==5.12.1",
        "tokenizers",
        "pyyaml",
      ],
      notes: [
        "Megatron-LM core_v0.16.1 is taken from $MEGATRON_LM or /opt/megatron-lm, else cloned from GitHub before training.",
        "Megatron shuffles the rows of a phase by the seed: their mix is the planned one, their order within the phase its own.",
        ...(list.length > 1
          ? [
              "The data mix changes during training: one run a phase, each resumed from the one before it, on one learning-rate schedule.",
            ]
          : []),
      ],
    },
    diagnostics: [],
  };
}

export const megatron: EngineLowering = { name: "megatron", readsRows: ["pretrain"], lower };
