/** Megatron-LM's arguments: a launch script, a file of arguments, or YAML of arguments by name (Megatron-LM core 0.13). */
import type { FieldValue, ModelFields } from "../model/index.js";
import { given, whole } from "./axolotl.js";
import { dataset, optimizerKind, optimizerText, scheduleKind } from "./common.js";
import { isRecord, Keys } from "./keys.js";
import { options } from "./shell.js";
import type { DatasetDraft, Draft, Importer } from "./types.js";
import { yaml } from "./yaml.js";

const silent =
  /^(log_\w+|tensorboard_\w+|wandb_\w+|save|load|tokenizer_\w+|vocab_file|merge_file|use_mcore_models|transformer_impl|attention_backend|use_flash_attn|distributed_\w+|overlap_\w+|no_load_\w+|no_save_\w+|num_workers|dataloader_type|data_cache_path|ckpt_format|async_save|eval_iters|num_dataset_builder_threads|nproc_per_node|nnodes|node_rank|master_addr|master_port|rdzv_\w+|use_checkpoint_\w+|attention_softmax_in_fp32|accumulate_allreduce_grads_in_fp32|no_\w*fusion|cross_entropy_\w+|moe_grouped_gemm|moe_token_dispatcher_type|moe_permute_fusion|moe_router_dtype|manual_gc\w*|make_vocab_size_divisible_by|init_method_std|lr_decay_iters|lr_decay_samples|exit_\w+|use_legacy_models|finetune|mock_data|timing_\w+|distributed_timeout_minutes|cache_dir|use_distributed_optimizer|group_query_attention|no_masked_softmax_fusion|attention_dropout|bf16|check_for_nan_in_loss_and_grad|enable_experimental|dist_ckpt_\w+|use_pytorch_profiler|profile\w*)$/;

export const megatron: Importer = {
  kind: "megatron",
  title: "Megatron-LM's arguments",
  detects: ({ text }) =>
    /--num[-_]layers\b/.test(text) ||
    (/^num_layers\s*:/m.test(text) && /^(ffn_hidden_size|micro_batch_size|train_iters)\s*:/m.test(text)),
  read(source, _host, diagnostics) {
    const parsed: unknown = /--num[-_]layers\b/.test(source.text) ? options(source.text) : yaml(source.text);
    if (!isRecord(parsed)) return undefined;
    const k = new Keys(parsed, source.path, diagnostics);
    const iterations = k.number("train_iters");
    const samples = k.number("train_samples");
    const decay = k.number("lr_wsd_decay_iters");
    const peak = k.number("lr");
    const low = k.number("min_lr");
    const machines = (k.number("nnodes") ?? 1) * (k.number("nproc_per_node") ?? 0);
    const draft: Draft = {
      stage: "pretrained",
      objective: "pretrain",
      model: { fields: modelOf(k) },
      datasets: datasetsOf(k),
      length: { ...given("steps", iterations), ...given("samples", samples) },
      ...given("sequences", k.number("global_batch_size")),
      perRank: k.number("micro_batch_size") ?? 1,
      ...given("micro", k.number("micro_batch_size")),
      ...given("context", k.number("seq_length")),
      precision: k.raw("fp8_format") !== undefined ? "fp8" : k.flag("fp16") ? "fp16" : k.flag("bf16") ? "bf16" : "fp32",
      parallel: parallelOf(k),
      recompute: recomputeOf(k),
      optimizer: optimizerText({
        kind: optimizerKind(k.text("optimizer"), k),
        lr: peak,
        weightDecay: k.number("weight_decay") ?? 0.01,
        beta1: k.number("adam_beta1"),
        beta2: k.number("adam_beta2") ?? 0.999,
        eps: k.number("adam_eps"),
        clip: k.number("clip_grad"),
        schedule: scheduleKind(k.text("lr_decay_style") ?? "linear", k),
        warmupSteps: k.number("lr_warmup_iters"),
        warmup: k.number("lr_warmup_fraction"),
        minLr: peak === undefined ? undefined : (low ?? 0) / peak,
        decay: decay === undefined || iterations === undefined ? undefined : decay / iterations,
      }),
      engine: "megatron",
      ...given("saveSteps", whole(k.number("save_interval"))),
      ...given("evaluateSteps", whole(k.number("eval_interval"))),
      ...given("seed", k.number("seed")),
      ...(machines > 0 ? { gpus: machines } : {}),
    };
    k.rest(silent);
    return draft;
  },
};

function modelOf(k: Keys): ModelFields {
  const swiglu = k.flag("swiglu");
  const rms = k.text("normalization") === "RMSNorm";
  const experts = k.number("num_experts");
  const heads = k.number("num_attention_heads");
  const hidden = k.number("hidden_size");
  const ffn = k.number("ffn_hidden_size") ?? 4 * (hidden ?? 0);
  const rope = k.text("position_embedding_type") === "rope" || k.flag("use_rotary_position_embeddings");
  if (k.flag("multi_latent_attention")) k.lost("multi-latent attention (its ranks and head sizes)");
  const noBias = k.flag("disable_bias_linear");
  const qkvBias = k.flag("add_qkv_bias") || !noBias;
  const dropout = k.number("hidden_dropout") ?? 0.1;
  const shared = k.number("moe_shared_expert_intermediate_size");
  const moeFfn = k.number("moe_ffn_hidden_size") ?? ffn;
  const frequency = k.text("moe_layer_freq");
  const dense = /^\(?\[0\]\s*\*\s*(\d+)\s*\+/.exec(frequency ?? "")?.[1];
  if (frequency !== undefined && frequency !== "1" && dense === undefined) k.lost(`moe_layer_freq = ${frequency}`);
  const vocab = k.number("vocab_size", "padded_vocab_size");
  if (vocab === undefined) k.lost("the vocabulary's size (it is the tokenizer's; 50,257 stands in: set `vocab`)");
  const fields: Record<string, FieldValue | undefined> = {
    architecture: experts !== undefined ? "mixtral" : rms ? "llama" : "gpt2",
    layers: k.number("num_layers"),
    hidden,
    heads,
    kv_heads: k.flag("group_query_attention") ? k.number("num_query_groups") : heads,
    head_dim: k.number("kv_channels") ?? (hidden ?? 0) / (heads ?? 1),
    ffn,
    vocab: vocab ?? 50_257,
    context_length: k.number("max_position_embeddings") ?? k.number("seq_length"),
    activation: swiglu ? "silu" : k.flag("squared_relu") ? "relu_squared" : "gelu_tanh",
    gated_mlp: swiglu,
    norm: rms ? "rmsnorm" : "layernorm",
    norm_bias: !rms,
    norm_eps: k.number("norm_epsilon", "layernorm_epsilon") ?? 1e-5,
    qk_norm: k.flag("qk_layernorm") ? "head" : "none",
    position: rope ? "rope" : "learned",
    rope_theta: k.number("rotary_base"),
    rope_fraction: k.number("rotary_percent") ?? 1,
    tied_embeddings: !k.flag("untie_embeddings_and_output_weights"),
    attention_bias: noBias ? (qkvBias ? "qkv" : "none") : "all",
    mlp_bias: !noBias,
    dropout: dropout === 0 ? undefined : dropout,
    experts,
    experts_per_token: experts === undefined ? undefined : (k.number("moe_router_topk") ?? 2),
    moe_ffn: experts === undefined ? undefined : moeFfn,
    aux_loss: experts === undefined ? undefined : k.number("moe_aux_loss_coeff"),
    capacity_factor: experts === undefined ? undefined : k.number("moe_expert_capacity_factor"),
    dense_layers: experts === undefined || dense === undefined ? undefined : Number(dense),
    shared_experts: shared === undefined ? undefined : Math.max(1, Math.round(shared / moeFfn)),
    shared_ffn: shared,
  };
  return Object.fromEntries(Object.entries(fields).filter((e): e is [string, FieldValue] => e[1] !== undefined));
}

/** `0.7 /data/web 0.3 /data/code`, or paths alone. */
function datasetsOf(k: Keys): readonly DatasetDraft[] {
  const parts = k
    .list("data_path", "train_data_path")
    .flatMap((p) => String(p).split(/\s+/))
    .filter(Boolean);
  k.raw("split");
  const out: DatasetDraft[] = [];
  let weight: number | undefined;
  for (const part of parts) {
    if (/^\d*\.?\d+(e-?\d+)?$/.test(part)) weight = Number(part);
    else {
      out.push(
        dataset(
          part,
          [["field", '"text"']],
          weight,
          out.map((d) => d.name),
        ),
      );
      weight = undefined;
    }
  }
  if (out.length > 0)
    k.lost("Megatron's indexed .bin/.idx files (datasets name text: point `source` to the text they were made of)");
  return out.length > 0 ? out : [dataset("data/*.jsonl", [["field", '"text"']])];
}

function parallelOf(k: Keys): Record<string, number | string | boolean> {
  const out: Record<string, number | string | boolean> = {};
  const degree = (key: string, name: string): void => {
    const value = k.number(key) ?? 1;
    if (value > 1) out[name] = value;
  };
  degree("tensor_model_parallel_size", "tensor");
  degree("pipeline_model_parallel_size", "pipeline");
  degree("context_parallel_size", "context");
  degree("expert_model_parallel_size", "expert");
  if (k.flag("sequence_parallel") && out.tensor !== undefined) out.sequence = true;
  const virtual = k.number("num_virtual_stages_per_pipeline_rank");
  const perStage = k.number("num_layers_per_virtual_pipeline_stage");
  const layers = k.number("num_layers");
  if (virtual !== undefined && virtual > 1) out.virtual = virtual;
  else if (perStage !== undefined && layers !== undefined && typeof out.pipeline === "number")
    out.virtual = layers / perStage / out.pipeline;
  if (typeof out.virtual === "number" && out.virtual > 1) out.schedule = "interleaved";
  out.shard = k.flag("use_distributed_optimizer")
    ? "zero1"
    : k.flag("use_torch_fsdp2", "use_megatron_fsdp", "use_custom_fsdp")
      ? "zero3"
      : "none";
  return out;
}

function recomputeOf(k: Keys): string {
  const granularity = k.text("recompute_granularity");
  if (k.flag("recompute_activations") || granularity === "selective") return "selective";
  if (granularity !== "full") return "none";
  const [method, layers, all] = [k.text("recompute_method"), k.number("recompute_num_layers"), k.number("num_layers")];
  if (method === "block" && layers !== undefined && all !== undefined && layers < all)
    k.lost(`recompute_num_layers = ${layers} of ${all} (all layers are recomputed; \`auto\` would choose)`);
  return "full";
}
