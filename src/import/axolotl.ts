/** axolotl's YAML (https://docs.axolotl.ai/docs/config-reference.html, read 2026-11 from memory of 0.8 to 0.12). */
import { dataset, lora, optimizerKind, optimizerText, scheduleKind } from "./common.js";
import { isRecord, Keys } from "./keys.js";
import type { DatasetDraft, Draft, Entries, Importer } from "./types.js";
import { quoted } from "./write.js";
import { yaml } from "./yaml.js";

const silent =
  /^(wandb|mlflow|comet|hub_|swanlab)\w*$|^(output_dir|dataset_prepared_path|tokenizer_type|model_type|trust_remote_code|logging_steps|strict|debug|plugins|flash_attention|sdp_attention|xformers_attention|group_by_length|pad_to_sequence_len|tf32|save_safetensors|save_total_limit|load_in_8bit|load_in_4bit|special_tokens|tokens|resume_from_checkpoint|auto_resume_from_checkpoints|gradient_checkpointing_kwargs|torch_compile|liger_\w+|dataloader_\w+|eval_sample_packing|eval_batch_size|dataset_processes|is_llama_derived_model|is_mistral_derived_model|ddp_\w+|local_rank|early_stopping_patience|lora_model_dir|lora_(mlp|qkv|o)_kernel|eval_table_size|eval_max_new_tokens|low_cpu_mem_usage|use_tensorboard|saves_per_epoch|evals_per_epoch|s2_attention|bnb_config_kwargs|lora_modules_to_save|remove_unused_columns|tokenizer_config|base_model_config|processor_type)$/;

const objectives: Readonly<Record<string, string>> = { dpo: "dpo", ipo: "dpo", grpo: "grpo", gdpo: "grpo" };

export const axolotl: Importer = {
  kind: "axolotl",
  title: "axolotl's YAML",
  detects: ({ text }) =>
    /^base_model\s*:/m.test(text) && /^(datasets|pretraining_dataset|micro_batch_size|sequence_len)\s*:/m.test(text),
  read(source, _host, diagnostics) {
    const json: unknown = yaml(source.text);
    if (!isRecord(json)) return undefined;
    const k = new Keys(json, source.path, diagnostics);
    const rl = k.text("rl");
    const pretrain = k.raw("pretraining_dataset") !== undefined;
    const kind = rl === undefined ? (pretrain ? "pretrain" : "sft") : (objectives[rl] ?? "sft");
    if (rl !== undefined && objectives[rl] === undefined) k.lost(`rl = ${rl} (sft stands in)`);
    const beta = k.number("rl_beta", "dpo_beta");
    if (k.flag("train_on_inputs")) k.lost("train_on_inputs (the loss counts completions only)");
    const datasets = datasetsOf(k, kind);
    // Plain text has no completions to tell from prompts: the loss counts all of it.
    const plain = datasets.every(({ entries }) => entries.some(([key]) => key === "field"));
    const adapter = k.text("adapter");
    if (adapter !== undefined && !/^q?lora$/.test(adapter)) k.lost(`adapter = ${adapter}`);
    const linear = k.flag("lora_target_linear") ? ["all-linear"] : [];
    const ranks: Entries | undefined =
      adapter === "lora" || adapter === "qlora"
        ? lora(
            adapter,
            k.number("lora_r"),
            k.number("lora_alpha"),
            k.number("lora_dropout"),
            [...linear, ...k.list("lora_target_modules").map(String)],
            k,
          )
        : undefined;
    const packed = k.raw("sample_packing");
    const fp8 = k.flag("fp8");
    const half = k.raw("bf16") === "auto" || k.flag("bf16", "bfloat16");
    const draft: Draft = {
      stage: "tuned",
      objective:
        kind === "dpo"
          ? `dpo${dpoOptions(beta, rl === "ipo")}`
          : kind === "grpo"
            ? "grpo { reward = right }"
            : plain
              ? "pretrain"
              : kind,
      ...(kind === "grpo" ? { rewards: true } : {}),
      model: { ...id(k.text("base_model")), weights: true },
      datasets,
      ...(ranks === undefined ? {} : { adapter: ranks }),
      length: { ...given("steps", k.number("max_steps")), ...given("epochs", k.number("num_epochs")) },
      perRank: (k.number("micro_batch_size") ?? 1) * (k.number("gradient_accumulation_steps") ?? 1),
      ...given("micro", k.number("micro_batch_size")),
      ...given("context", k.number("sequence_len")),
      precision: fp8 ? "fp8" : half ? "bf16" : k.flag("fp16", "float16") ? "fp16" : "fp32",
      parallel: parallelOf(k),
      recompute:
        k.raw("gradient_checkpointing") === undefined || k.raw("gradient_checkpointing") === false ? "none" : "full",
      optimizer: optimizerText({
        kind: optimizerKind(k.text("optimizer"), k),
        lr: k.number("learning_rate"),
        weightDecay: k.number("weight_decay") ?? 0,
        beta1: k.number("adam_beta1"),
        beta2: k.number("adam_beta2"),
        eps: k.number("adam_epsilon"),
        clip: k.number("max_grad_norm"),
        schedule: scheduleKind(k.text("lr_scheduler"), k),
        warmupSteps: k.number("warmup_steps"),
        warmup: k.number("warmup_ratio"),
        minLr: k.number("cosine_min_lr_ratio") ?? 0,
      }),
      engine: "trl",
      ...given("saveSteps", whole(k.number("save_steps"))),
      ...given("evaluateSteps", whole(k.number("eval_steps"))),
      ...given("holdout", share(k.number("val_set_size"), k)),
      ...given("seed", k.number("seed")),
      ...(packed === undefined ? {} : { packing: packed === true }),
    };
    k.rest(silent);
    return draft;
  },
};

const dpoOptions = (beta: number | undefined, ipo: boolean): string => {
  const inner = [...(beta === undefined ? [] : [`beta = ${beta}`]), ...(ipo ? ["loss = ipo"] : [])];
  return inner.length === 0 ? "" : ` { ${inner.join(", ")} }`;
};
export const id = (text: string | undefined): { readonly id?: string } => (text === undefined ? {} : { id: text });
/** A key that is there, or none. */
export const given = <K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } =>
  value === undefined ? {} : ({ [key]: value } as { [P in K]: V });
/** Intervals in steps; shares of the training have no word here. */
export const whole = (value: number | undefined): number | undefined =>
  value !== undefined && value >= 1 ? Math.round(value) : undefined;

function share(value: number | undefined, k: Keys): number | undefined {
  if (value === undefined || value === 0) return undefined;
  if (value < 1) return value;
  k.lost(`val_set_size = ${value} rows (a share from 0 to 1 is due)`);
  return undefined;
}

/** Row formats: chat templates, preference pairs, instructions and plain text. */
function datasetsOf(k: Keys, kind: string): readonly DatasetDraft[] {
  const rows = k.list("pretraining_dataset", "datasets");
  if (k.raw("pretraining_dataset") !== undefined && k.raw("datasets") !== undefined)
    k.lost("datasets beside pretraining_dataset");
  if (k.list("test_datasets").length > 0) k.lost("test_datasets (a share of each dataset is held out instead)");
  const out: DatasetDraft[] = [];
  for (const row of rows) {
    const r = isRecord(row) ? row : { path: row };
    const path = String(
      r.data_files === undefined ? r.path : Array.isArray(r.data_files) ? r.data_files[0] : r.data_files,
    );
    const type = String(isRecord(r.type) ? "custom" : (r.type ?? ""));
    const text = r.text_column ?? r.field ?? "text";
    let entries: Entries;
    if (kind === "dpo") entries = [["format", "preference"]];
    else if (kind === "grpo")
      entries = [
        ["format", "prompts"],
        ["prompt", '"prompt"'],
        ["answer", '"answer"'],
      ];
    else if (kind === "pretrain" || type === "completion" || type === "pretrain")
      entries = [["field", quoted(String(text))]];
    else if (/chat_template|sharegpt/.test(type) || r.field_messages !== undefined)
      entries = [
        ["format", "chat"],
        ["messages", quoted(String(r.field_messages ?? (type.includes("sharegpt") ? "conversations" : "messages")))],
      ];
    else {
      entries = [
        ["prompt", '"instruction"'],
        ["completion", '"output"'],
      ];
      if (type !== "" && type !== "alpaca")
        k.lost(
          `dataset type ${isRecord(r.type) ? JSON.stringify(r.type).slice(0, 60) : type} (columns instruction and output are taken)`,
        );
      else if (type === "alpaca")
        k.lost("alpaca's prompt frame and `input` column (columns instruction and output are taken)");
    }
    for (const key of ["shards", "split", "name", "revision", "chat_template", "roles_to_train", "train_on_eos"])
      if (r[key] !== undefined && !(key === "split" && r[key] === "train"))
        k.lost(`${key} = ${String(r[key])} of dataset ${path}`);
    out.push(
      dataset(
        path,
        entries,
        undefined,
        out.map((d) => d.name),
      ),
    );
  }
  return out;
}

function parallelOf(k: Keys): Record<string, number | string> {
  const out: Record<string, number | string> = {};
  const deepspeed = k.text("deepspeed");
  const zero = /zero([123])/.exec(deepspeed ?? "")?.[1];
  if (zero !== undefined) out.shard = `zero${zero}`;
  else if (deepspeed !== undefined) k.lost(`deepspeed = ${deepspeed}`);
  if (k.list("fsdp").length > 0 || k.raw("fsdp_config") !== undefined || k.raw("fsdp_version") !== undefined)
    out.shard = "zero3";
  const replicate = k.number("dp_replicate_size") ?? 1;
  const sharded = k.number("dp_shard_size") ?? 1;
  if (sharded > 1) out.shard = replicate > 1 ? "hsdp" : "zero3";
  if (sharded > 1 && replicate > 1) out.shard_group = sharded;
  const tensor = k.number("tensor_parallel_size") ?? 1;
  if (tensor > 1) out.tensor = tensor;
  const context = k.number("context_parallel_size", "sequence_parallel_degree") ?? 1;
  if (context > 1) out.context = context;
  return out;
}
