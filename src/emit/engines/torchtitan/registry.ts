/** `llmpcfg/config_registry.py` for torchtitan 0.3: a function that returns Trainer.Config. Values are Python literals. */
import { learningRate, offloads, recomputeRule, startsWithWeights } from "../../common/lower.js";
import { py } from "../../common/quote.js";
import type { StageView } from "../../common/stage.js";
import { degrees, moduleNames, scheduleName } from "./layout.js";
import { modelName } from "./model.js";

/** 0.3 has no "every Nth layer", and only its Llama 3 builder is written against here. */
export const hasRegistry = (view: StageView): boolean =>
  modelName(view) === "llama3" && recomputeRule(view).kind !== "every" && view.precision.compute.value !== "mxfp8";

export function registryPy(view: StageView): string {
  const { stage, model, optimizer, spec } = view;
  const { parallel } = stage;
  const { replicate, shard } = degrees(view);
  const lr = learningRate(view);
  const rule = recomputeRule(view);
  const scaling = model.ropeScaling?.value;
  const fp8 = view.precision.compute.value === "fp8";
  const values = {
    model: {
      dim: model.hidden.value,
      vocab: model.vocab.value,
      layers: model.layers.value,
      heads: model.heads.value,
      kv_heads: model.kvHeads.value,
      ffn: model.ffn.value,
      eps: model.normEps.value,
      rope: {
        dim: model.headDim.value,
        max_seq_len: Math.max(model.contextLength.value, stage.context_length),
        theta: model.ropeTheta.value,
        scaling: scaling === undefined ? "none" : "llama",
        ...(scaling === undefined
          ? {}
          : {
              scaling_factor: scaling.factor,
              low_freq_factor: scaling.lowFrequencyFactor ?? 1,
              high_freq_factor: scaling.highFrequencyFactor ?? 4,
              original_max_position_embeddings: scaling.originalContext,
            }),
      },
    },
    optimizer: {
      lr: lr.peak,
      betas: [optimizer.beta1, optimizer.beta2],
      eps: optimizer.eps,
      weight_decay: optimizer.weightDecay,
    },
    lr_scheduler: {
      warmup_steps: lr.warmup,
      decay_ratio: lr.kind === "constant" ? 0 : lr.kind === "wsd" ? lr.decaySteps / stage.steps : null,
      decay_type: lr.kind === "cosine" ? "cosine" : "linear",
      min_lr_factor: lr.kind === "constant" ? 1 : lr.minRatio,
    },
    training: {
      local_batch_size: parallel.micro_batch * (parallel.pipeline > 1 ? parallel.accumulation : 1),
      global_batch_size: stage.global_batch,
      seq_len: stage.context_length,
      max_norm: optimizer.clip > 0 ? optimizer.clip : 1e9,
      steps: stage.steps,
      disable_cuda_graphs: parallel.pipeline > 1,
      enable_cpu_offload: offloads(view, "optimizer"),
      dtype:
        view.precision.masterWeights.value === "none" && view.precision.weights.value === "bf16"
          ? "bfloat16"
          : "float32",
      mixed_precision_param: view.precision.compute.value === "fp32" ? "float32" : "bfloat16",
      mixed_precision_reduce: "float32",
    },
    parallelism: {
      data_parallel_replicate_degree: replicate,
      data_parallel_shard_degree: shard,
      tensor_parallel_degree: parallel.tensor,
      enable_sequence_parallel: parallel.sequence,
      pipeline_parallel_degree: parallel.pipeline,
      ...(parallel.pipeline > 1
        ? {
            pipeline_parallel_schedule: scheduleName(view),
            pipeline_parallel_microbatch_size: parallel.micro_batch,
            module_fqns_per_model_part: moduleNames(view).map((part) =>
              part.map((m) => (m === "output" ? "lm_head" : m)),
            ),
          }
        : {}),
      context_parallel_degree: parallel.context,
      expert_parallel_degree: parallel.expert,
    },
    checkpoint: {
      enable: true,
      // A folder that exists would be taken for checkpoints to go on from, and weights to start from be left out.
      folder: "../checkpoints/torchtitan",
      interval: view.saveSteps ?? stage.steps,
      ...(startsWithWeights(view) ? { initial_load_path: "model", initial_load_in_hf: true } : {}),
      last_save_in_hf: true,
    },
    float8: fp8 ? (view.precision.recipe.value === "rowwise" ? "rowwise" : "tensorwise") : null,
    recompute: rule.kind,
    seed: spec.seed.value,
  };
  return String.raw`"""This stage for torchtitan 0.3: torchrun … -m torchtitan.train --module llmpcfg --config stage. Written by llmp."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from torchtitan.components.checkpoint import CheckpointManager
from torchtitan.components.loss import ChunkedLossWrapper, CrossEntropyLoss
from torchtitan.components.metrics import MetricsProcessor
from torchtitan.components.optimizer import LRSchedulersContainer, default_adamw
from torchtitan.components.quantization import Float8LinearConverter
from torchtitan.config import ParallelismConfig, TrainingConfig
from torchtitan.distributed.activation_checkpoint import FullAC, SelectiveAC
from torchtitan.hf_datasets import text_datasets
from torchtitan.hf_datasets.text_datasets import HuggingFaceTextDataLoader
from torchtitan.models.common import ComplexRoPE, Embedding, Linear, RMSNorm
from torchtitan.models.common.config_utils import decoder_vocab_size
from torchtitan.models.llama3 import (
    _EMBEDDING_INIT,
    _NORM_INIT,
    _build_llama3_layers,
    _output_linear_init,
    llama3_configs,
    model_registry,
)
from torchtitan.models.llama3.model import Llama3Model
from torchtitan.trainer import Trainer

VALUES = ${py(values)}


def _model(attn_backend="flex", tp_gemm_backend="default"):
    m = VALUES["model"]
    return Llama3Model.Config(
        dim=m["dim"],
        vocab_size=m["vocab"],
        tok_embeddings=Embedding.Config(num_embeddings=m["vocab"], embedding_dim=m["dim"], param_init=_EMBEDDING_INIT),
        norm=RMSNorm.Config(normalized_shape=m["dim"], eps=m["eps"], param_init=_NORM_INIT),
        lm_head=Linear.Config(in_features=m["dim"], out_features=m["vocab"], param_init=_output_linear_init(m["dim"])),
        layers=_build_llama3_layers(
            n_layers=m["layers"],
            dim=m["dim"],
            n_heads=m["heads"],
            n_kv_heads=m["kv_heads"],
            hidden_dim=m["ffn"],
            attn_backend=attn_backend,
            rope=ComplexRoPE.Config(**m["rope"]),
        ),
    )


def _data():
    from datasets import IterableDataset
    from torchtitan.hf_datasets import DatasetConfig

    import mix

    def load(path):
        config = mix.settings()

        def samples():
            for _, sample in mix.order(config, lambda s: len(mix.text_of(s)), path):
                yield {"text": mix.text_of(sample)}

        return IterableDataset.from_generator(samples)

    text_datasets.DATASETS["llmp"] = DatasetConfig(path="data", loader=load, sample_processor=lambda s: s["text"])


def stage() -> Trainer.Config:
    _data()
    llama3_configs["llmp"] = _model
    converters = None
    if VALUES["float8"]:
        recipe = {"recipe_name": "rowwise"} if VALUES["float8"] == "rowwise" else {}
        converters = [Float8LinearConverter.Config(filter_fqns=["lm_head"], model_compile_enabled=True, **recipe)]
    spec = model_registry("llmp", converters=converters)
    extra = {}
    if VALUES["recompute"] == "full":
        extra["activation_checkpoint"] = FullAC.Config()
    elif VALUES["recompute"] == "selective":
        extra["activation_checkpoint"] = SelectiveAC.Config()
    else:
        extra["activation_checkpoint"] = None
    return Trainer.Config(
        loss=ChunkedLossWrapper.Config(loss_fn=CrossEntropyLoss.Config(global_vocab_size=decoder_vocab_size(spec))),
        hf_assets_path="tokenizer",
        dump_folder="output",
        model_spec=spec,
        optimizer=default_adamw(**VALUES["optimizer"]),
        lr_scheduler=LRSchedulersContainer.Config(**VALUES["lr_scheduler"]),
        training=TrainingConfig(**VALUES["training"]),
        dataloader=HuggingFaceTextDataLoader.Config(dataset="llmp", dataset_path="data"),
        metrics=MetricsProcessor.Config(log_freq=1),
        parallelism=ParallelismConfig(**VALUES["parallelism"]),
        checkpoint=CheckpointManager.Config(**VALUES["checkpoint"]),
        **extra,
    )
`;
}
