/** SageMaker HyperPod recipes: `recipes_collection/recipes/*.yaml` of sagemaker-hyperpod-recipes 1.x; 2.x are in recipe-tuning.ts. */
import type { FieldValue, ModelFields } from "../model/index.js";
import { given, whole } from "./axolotl.js";
import { dataset, lora, optimizerKind, optimizerText, scheduleKind } from "./common.js";
import { flatten, isRecord, Keys } from "./keys.js";
import { tuningDraft } from "./recipe-tuning.js";
import type { DatasetDraft, Draft, Importer } from "./types.js";
import { yaml } from "./yaml.js";

const silent =
  /^(run\.|exp_manager\.(?!checkpoint_callback_params)|display_name|hydra|defaults|trainer\.(accelerator|precision|log_every_n_steps|val_check_interval|limit_val_batches|enable_\w+|max_epochs|logger|use_distributed_sampler)|use_smp_model$|distributed_backend$|model\.(val_batch_size|model_type|log_\w+|delayed_param|offload_activations|nccl_\w+|moe_\w*backend|do_finetune|initializer_range|layernorm_epsilon|precision\.|tokenizer\w*|use_flash_attention|grad_scale\w*|fused_\w+|transformer_engine|num_workers|sync_referenced|dpo\.|seed|save_\w+|checkpoint_\w+|multi_modal|rubik\w*|hf_access_token|activation_loading_horizon|llama_reference_implementation|seq_length_interpolation_factor|data\.(data_impl|use_synthetic_data|num_workers|dataset_type|zipped_data|val_dir)|use_smp_model|lr_decay_iters|hf_model_name_or_path)|cluster\.|container|git\.|base_results_dir|env_vars|launcher|recipes\.?$|cluster_type|instance_type)/;

const families: Readonly<Record<string, string>> = {
  llama_v3: "llama",
  llama: "llama",
  mistral: "mistral",
  mixtral: "mixtral",
  qwen: "qwen2",
  deepseek_r1: "deepseek_v3",
};

export const recipe: Importer = {
  kind: "recipe",
  title: "a HyperPod recipe",
  detects: ({ text }) =>
    /^run\s*:/m.test(text) &&
    (/^training_config\s*:/m.test(text) || (/^trainer\s*:/m.test(text) && /^model\s*:/m.test(text))),
  read(source, _host, diagnostics) {
    const json: unknown = yaml(source.text);
    if (!isRecord(json)) return undefined;
    const k = new Keys(flatten(json), source.path, diagnostics);
    if (isRecord(json.training_config)) return tuningDraft(k);
    const m = (key: string): string => `model.${key}`;
    const peft = k.text(m("peft.peft_type"));
    const tuned = k.flag(m("do_finetune")) || peft !== undefined;
    const dpo = k.flag(m("dpo.enabled"));
    const peak = k.number(m("optim.lr"));
    const low = k.number(m("optim.sched.min_lr"));
    const betas = k.list(m("optim.betas")).map(Number);
    const shard = k.number(m("shard_degree"));
    const parallel: Record<string, number | string> = {};
    for (const [name, key] of [
      ["tensor", "tensor_model_parallel_degree"],
      ["expert", "expert_model_parallel_degree"],
      ["context", "context_parallel_degree"],
    ] as const) {
      const degree = k.number(m(key)) ?? 1;
      if (degree > 1) parallel[name] = degree;
    }
    const gpus = (k.number("trainer.devices") ?? 8) * (k.number("trainer.num_nodes") ?? 1);
    if (shard !== undefined && shard < gpus && shard > 1) {
      parallel.shard = "hsdp";
      parallel.shard_group = shard;
    } else parallel.shard = shard === 1 ? "none" : "zero3";
    const named = k.text(m("hf_model_name_or_path"));
    const fields = k.number(m("hidden_size")) === undefined ? undefined : modelOf(k);
    const micro = k.number(m("train_batch_size")) ?? 1;
    const draft: Draft = {
      stage: tuned ? "tuned" : "pretrained",
      objective: dpo ? "dpo" : tuned ? "sft" : "pretrain",
      model: {
        ...(named === undefined ? {} : { id: named }),
        // A hub id with the whole shape beside it is the shape; without it, what the id names.
        ...(fields === undefined ? {} : { fields }),
        weights: tuned && named !== undefined,
      },
      datasets: datasetsOf(k, tuned, dpo),
      ...(peft === undefined || peft === "full"
        ? {}
        : {
            adapter: lora(
              peft.startsWith("q") ? "qlora" : "lora",
              k.number(m("peft.rank")),
              k.number(m("peft.alpha")),
              k.number(m("peft.dropout")),
              k.list(m("peft.target_modules")).map(String),
              k,
            ),
          }),
      length: { steps: k.number("trainer.max_steps") ?? 1000 },
      perRank: micro,
      micro,
      ...given("context", k.number(m("max_context_length"), m("encoder_seq_length"))),
      precision: k.flag(m("fp8")) ? "fp8" : "bf16",
      parallel,
      recompute: k.flag(m("activation_checkpointing")) ? "full" : "none",
      optimizer: optimizerText({
        kind: optimizerKind(k.text(m("optim.name")) ?? "adamw", k),
        lr: peak,
        weightDecay: k.number(m("optim.weight_decay")),
        beta1: betas[0],
        beta2: betas[1],
        clip: k.number("trainer.gradient_clip_val", m("gradient_clip_val")),
        schedule: scheduleKind(k.text(m("optim.sched.name")), k),
        warmupSteps: k.number(m("optim.sched.warmup_steps")),
        minLr: peak === undefined || low === undefined ? undefined : low / peak,
      }),
      ...given("saveSteps", whole(k.number("exp_manager.checkpoint_callback_params.every_n_train_steps"))),
      ...given("evaluateSteps", whole(k.number("trainer.val_check_interval"))),
      ...given("seed", k.number(m("seed"))),
      provider: "hyperpod",
      ...given("orchestrator", { k8s: "eks", slurm: "slurm" }[k.text("cluster_type") ?? ""] as Draft["orchestrator"]),
      ...given("instance", k.text("cluster.instance_type", "instance_type")),
      gpus,
    };
    const hold = k.number(m("optim.sched.constant_steps"));
    if (hold !== undefined && hold > 0) k.lost(`optim.sched.constant_steps = ${hold}`);
    k.rest(silent);
    return draft;
  },
};

function modelOf(k: Keys): ModelFields {
  const m = (key: string): number | undefined => k.number(`model.${key}`);
  const type = k.text("model.model_type") ?? "";
  const experts = m("num_experts") ?? m("num_local_experts");
  const architecture = families[type] ?? (experts === undefined ? "llama" : "mixtral");
  if (families[type] === undefined) k.lost(`model_type = ${type} (${architecture}'s layers stand in)`);
  const scaling = k.text("model.rope_scaling.rope_type");
  if (scaling !== undefined && scaling !== "llama3") k.lost(`rope_scaling ${scaling}`);
  const heads = m("num_heads");
  const hidden = m("hidden_size");
  const fields: Record<string, FieldValue | undefined> = {
    architecture,
    layers: m("num_layers"),
    hidden,
    heads,
    kv_heads: m("num_key_value_heads") ?? heads,
    head_dim: (hidden ?? 0) / (heads ?? 1),
    ffn: m("intermediate_size"),
    vocab: m("vocab_size"),
    context_length: m("max_position_embeddings") ?? m("max_context_length"),
    rope_theta: m("rope_theta"),
    rope_scaling:
      scaling !== "llama3"
        ? undefined
        : {
            kind: "llama3",
            factor: m("rope_scaling.factor") ?? 8,
            originalContext: m("rope_scaling.original_max_position_embeddings") ?? 8192,
            lowFrequencyFactor: m("rope_scaling.low_freq_factor") ?? 1,
            highFrequencyFactor: m("rope_scaling.high_freq_factor") ?? 4,
          },
    norm_eps: m("layernorm_epsilon"),
    sliding_window: m("sliding_window"),
    experts,
    experts_per_token: experts === undefined ? undefined : (m("num_experts_per_tok") ?? 2),
  };
  if (k.flag("model.tie_word_embeddings")) fields.tied_embeddings = true;
  return Object.fromEntries(Object.entries(fields).filter((e): e is [string, FieldValue] => e[1] !== undefined));
}

function datasetsOf(k: Keys, tuned: boolean, dpo: boolean): readonly DatasetDraft[] {
  const places = k.list("model.data.train_dir").map(String);
  const out: DatasetDraft[] = [];
  for (const place of places.length > 0 ? places : ["/fsx/datasets/train"]) {
    const shape = dpo
      ? ([["format", "preference"]] as const)
      : tuned
        ? ([
            ["format", "chat"],
            ["messages", '"messages"'],
          ] as const)
        : ([["field", '"text"']] as const);
    out.push(
      dataset(
        place,
        shape,
        undefined,
        out.map((d) => d.name),
      ),
    );
  }
  if (tuned) k.lost("how data.train_dir was tokenised (chats in a column `messages` are taken)");
  return out;
}
