/** Fast-LLM 0.4: one YAML per phase for `fast-llm train gpt`, and one that prepares the data. */
import type { Outcome } from "../../../diagnostics/index.js";
import { chunksOfTrunk, learningRate, startsWithWeights } from "../../common/lower.js";
import { json } from "../../common/quote.js";
import { onCpu, type StageView } from "../../common/stage.js";
import { type Yaml, yaml } from "../../common/yaml.js";
import { dataSettings } from "../common/data.js";
import { mixPy } from "../common/mix-py.js";
import { type Phase, phases } from "../common/phases.js";
import { prepareTextPy } from "../common/prepare-py.js";
import type { EngineBundle, EngineLowering } from "../types.js";
import { exportPy } from "./export-py.js";
import { fastLlmStep } from "./log.js";

const formats: Readonly<Record<string, string>> = {
  llama: "llama",
  mistral: "mistral",
  mixtral: "mixtral",
  qwen2: "qwen_2",
};
const dtypes: Readonly<Record<string, string>> = { fp32: "fp32", bf16: "bf16", fp16: "fp16" };
const zero: Readonly<Record<string, number | undefined>> = { none: undefined, zero1: 1, zero2: 2, zero3: 3 };

const requirements = ["fast-llm[CORE,OPTIONAL,HUGGINGFACE] @ git+https://github.com/ServiceNow/Fast-LLM@7d61a1ba"];

/** A decoder of equal blocks (Fast-LLM 0.4, layers/decoder). */
function baseModel(view: StageView): Yaml {
  const { model } = view;
  const scaling = model.ropeScaling?.value;
  const norm = { type: model.norm.value === "rmsnorm" ? "rms_norm" : "layer_norm", epsilon: model.normEps.value };
  const mlp = {
    intermediate_size: model.moe?.moeFfn.value ?? model.ffn.value,
    gated: model.gatedMlp.value,
    activation:
      model.activation.value === "silu" ? "silu" : model.activation.value === "relu_squared" ? "squared_relu" : "gelu",
    add_linear_biases: model.mlpBias.value,
  };
  return {
    hidden_size: model.hidden.value,
    embeddings: { vocab_size: model.vocab.value },
    head: { normalization: norm },
    tied_embedding_weight: model.tiedEmbeddings.value,
    decoder: {
      num_blocks: model.layers.value,
      block: {
        mixer: {
          type: "attention",
          heads: model.heads.value,
          head_groups: model.kvHeads.value,
          head_size: model.headDim.value,
          add_linear_biases: model.attentionBias.value === "all",
          query_layer: model.attentionBias.value === "qkv" ? { bias: { enabled: true } } : undefined,
          key_layer: model.attentionBias.value === "qkv" ? { bias: { enabled: true } } : undefined,
          value_layer: model.attentionBias.value === "qkv" ? { bias: { enabled: true } } : undefined,
          window_size: model.slidingWindow?.value,
          rotary: {
            type: scaling === undefined ? "default" : scaling.kind,
            theta: model.ropeTheta.value,
            scale_factor: scaling?.factor,
            low_frequency_factor: scaling?.lowFrequencyFactor,
            high_frequency_factor: scaling?.highFrequencyFactor,
            original_context_length: scaling?.originalContext,
          },
        },
        mlp:
          model.moe === undefined
            ? { type: "mlp", ...mlp }
            : {
                type: "moe",
                ...mlp,
                experts: model.moe.experts.value,
                experts_per_token: model.moe.expertsPerToken.value,
                shared_experts: model.moe.sharedExperts.value,
                auxiliary_loss_coefficient: model.moe.balancing.value === "aux_loss" ? model.moe.auxLoss.value : 0,
              },
        normalization: norm,
      },
    },
  };
}

function schedule(view: StageView): Yaml {
  const lr = learningRate(view);
  if (lr.kind === "constant") return { base: lr.peak, decay_style: "constant", warmup_iterations: lr.warmup };
  return {
    base: lr.peak,
    minimum: lr.min,
    decay_style: lr.kind,
    decay_iterations: view.stage.steps,
    warmup_iterations: lr.warmup,
  };
}

/** The file that `fast-llm prepare gpt_memmap` writes: one a split. */
const prepared = (view: StageView, phase: Phase, split: string): string =>
  `prepared/phase-${phase.index}/fast_llm_config${view.evaluateSteps === undefined ? "" : `_${split}`}.yaml`;

function config(view: StageView, phase: Phase, all: readonly Phase[]): Yaml {
  const { stage, spec, optimizer, precision } = view;
  const { parallel } = stage;
  const cpu = onCpu(view);
  const interval = view.saveSteps ?? stage.steps;
  return {
    training: {
      train_iters: phase.end,
      num_workers: 2,
      logs: { interval: 1 },
      checkpoint: { interval, keep: 2 },
      export:
        phase.index === all.length - 1
          ? { interval: stage.steps, format: formats[view.model.architecture.value] }
          : undefined,
      evaluators:
        view.evaluateSteps === undefined
          ? undefined
          : {
              evaluation: {
                interval: view.evaluateSteps,
                evaluator: { type: "loss", iterations: 16, dataset_name: "validation" },
              },
            },
      wandb: undefined,
    },
    schedule: {
      depth_first_micro_batches: parallel.pipeline > 1 ? 1 : parallel.accumulation,
      breadth_first_micro_batches: parallel.pipeline > 1 ? parallel.accumulation : 1,
    },
    data: {
      datasets: {
        training: { type: "file", path: prepared(view, phase, "training") },
        validation:
          view.evaluateSteps === undefined ? undefined : { type: "file", path: prepared(view, phase, "validation") },
      },
      // In tokens: documents of at most one sequence are packed into it and kept apart.
      micro_batch_size: parallel.micro_batch * stage.context_length,
      maximum_document_length: stage.context_length,
      shuffle: "disabled",
      seed: spec.seed.value,
      gpu: cpu ? false : undefined,
    },
    optimizer: {
      weight_decay: optimizer.weightDecay,
      beta_1: optimizer.beta1,
      beta_2: optimizer.beta2,
      epsilon: optimizer.eps,
      gradient_norm_clipping: optimizer.clip,
      learning_rate: schedule(view),
    },
    pretrained: startsWithWeights(view)
      ? { format: formats[view.model.architecture.value], path: "model", model_weights: true }
      : undefined,
    model: {
      base_model: baseModel(view),
      multi_stage: {
        zero_stage: zero[parallel.shard],
        layers_per_stage: parallel.pipeline > 1 ? (chunksOfTrunk(view)[0]?.length ?? 1) : undefined,
      },
      distributed: {
        compute_dtype: dtypes[precision.compute.value],
        tensor_parallel: parallel.tensor,
        sequence_tensor_parallel: parallel.sequence && parallel.tensor > 1,
        pipeline_parallel: parallel.pipeline,
        reproducible_init: true,
        seed: spec.seed.value,
        use_cuda: cpu ? false : undefined,
        backend: cpu ? "gloo" : undefined,
        timeout: 3600,
      },
    },
    run: { experiment_dir: "checkpoints", enable_all_loggers: true },
  };
}

function preparation(view: StageView, phase: Phase): Yaml {
  return {
    output_path: `prepared/phase-${phase.index}`,
    num_workers: 4,
    dataset: {
      path: "json",
      data_files: `prepared/phase-${phase.index}.jsonl`,
      split: "train",
      source_schema: { type: "document", text: "text" },
    },
    tokenizer: { path: "tokenizer" },
    add_bos: false,
    add_eos: true,
    splits: view.evaluateSteps === undefined ? undefined : { training: 0.99, validation: 0.01 },
  };
}

function lower(view: StageView): Outcome<EngineBundle> {
  const list = phases(view);
  return {
    value: {
      files: [
        ...list.map((p) => ({
          path: `phase-${p.index}.yaml`,
          text: yaml(config(view, p, list), [`fast-llm train gpt; steps ${p.start} to ${p.end}. Written by llmp.`]),
        })),
        ...list.map((p) => ({
          path: `prepare-${p.index}.yaml`,
          text: yaml(preparation(view, p), ["fast-llm prepare gpt_memmap. Written by llmp."]),
        })),
        { path: "prepare.py", text: prepareTextPy },
        { path: "export.py", text: exportPy },
        { path: "mix.py", text: mixPy },
        { path: "data.json", text: json(dataSettings(view)) },
      ],
      launcher: "torchrun",
      commands: list.map((p) => ["-m", "fast_llm.cli", "train", "gpt", "--config", `phase-${p.index}.yaml`]),
      before: [
        ["python", "prepare.py", "prepared"],
        ...list.map((p) => [
          "python",
          "-m",
          "fast_llm.cli",
          "prepare",
          "gpt_memmap",
          "--config",
          `prepare-${p.index}.yaml`,
        ]),
      ],
      after: [["python", "export.py"]],
      // Without it, ranks order their buffers differently and stop with "Desync detected" (measured with 0.4.0).
      env: { PYTHONHASHSEED: "0" },
      requirements,
      notes: [
        "Fast-LLM 0.4.0 is installed from source and needs Python 3.12 or newer and a C++ compiler.",
        ...(list.length > 1
          ? ["The data mix changes during training: one run a phase, each resumed from the one before it."]
          : []),
      ],
    },
    diagnostics: [],
  };
}

export const fastLlm: EngineLowering = { name: "fast_llm", readsRows: [], requirements, stepOf: fastLlmStep, lower };
