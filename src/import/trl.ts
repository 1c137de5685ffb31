/** Arguments of TRL's scripts (sft, dpo, grpo, gkd; TRL 0.2x to 1.x): a command line, or the YAML of `--config`. */
import { given, id, whole } from "./axolotl.js";
import { dataset, lora, optimizerKind, optimizerText, scheduleKind } from "./common.js";
import { isRecord, Keys } from "./keys.js";
import { options } from "./shell.js";
import type { Draft, Entries, Importer } from "./types.js";
import { quoted } from "./write.js";
import { yaml } from "./yaml.js";

const silent =
  /^(output_dir|overwrite_output_dir|report_to|logging_\w+|push_to_hub\w*|hub_\w+|run_name|save_strategy|save_total_limit|eval_strategy|evaluation_strategy|dataset_config|dataset_train_split|dataset_num_proc|trust_remote_code|attn_implementation|torch_dtype|dtype|gradient_checkpointing_kwargs|config_file|num_processes|num_machines|machine_rank|main_process_\w+|nproc_per_node|nnodes|dataloader_\w+|(no_)?remove_unused_columns|ddp_\w+|load_in_4bit|load_in_8bit|use_peft|lora_task_type|bnb_4bit_\w+|tf32|use_vllm|vllm_\w+|log_completions|do_eval|do_train|use_liger_kernel|per_device_eval_batch_size|eval_accumulation_steps|config|model_revision|chat_template_path|eos_token|pad_token|max_prompt_length|dataset_streaming)$/;

type Kind = "sft" | "dpo" | "grpo" | "gkd";

export const trl: Importer = {
  kind: "trl",
  title: "arguments of TRL's scripts",
  detects: ({ text }) => /(--|^)model_name_or_path\b/m.test(text) || /\btrl\s+(sft|dpo|grpo|gkd)\b/.test(text),
  read(source, _host, diagnostics) {
    const command = /--model_name_or_path\b|\btrl\s+\w+\s+--/.test(source.text);
    const json: unknown = command ? options(source.text) : yaml(source.text);
    if (!isRecord(json)) return undefined;
    const k = new Keys(json, source.path, diagnostics);
    const kind = kindOf(source.text, json);
    const beta = k.number("beta");
    const teacher = kind === "gkd" ? k.text("teacher_model_name_or_path") : undefined;
    const four = k.flag("load_in_4bit");
    const peft = k.flag("use_peft");
    const optimizer = optimizerText({
      kind: optimizerKind(k.text("optim"), k),
      lr: k.number("learning_rate") ?? 5e-5,
      weightDecay: k.number("weight_decay") ?? 0,
      beta1: k.number("adam_beta1"),
      beta2: k.number("adam_beta2") ?? 0.999,
      eps: k.number("adam_epsilon"),
      clip: k.number("max_grad_norm"),
      schedule: scheduleKind(k.text("lr_scheduler_type") ?? "linear", k),
      warmupSteps: k.number("warmup_steps"),
      warmup: k.number("warmup_ratio"),
      minLr: 0,
    });
    const steps = k.number("max_steps");
    const micro = k.number("per_device_train_batch_size") ?? 8;
    const gpus = (k.number("num_processes") ?? 0) || (k.number("nproc_per_node") ?? 0) * (k.number("nnodes") ?? 1);
    const packing = k.raw("packing");
    const half = k.raw("bf16");
    const draft: Draft = {
      stage: "tuned",
      objective: objective(kind, k, beta),
      ...(kind === "grpo" ? { rewards: true } : {}),
      model: { ...id(k.text("model_name_or_path")), weights: true },
      ...given("teacher", teacher),
      datasets: [dataset(k.text("dataset_name") ?? "data.jsonl", columns(kind, k))],
      ...(peft
        ? {
            adapter: lora(
              four ? "qlora" : "lora",
              k.number("lora_r") ?? 16,
              k.number("lora_alpha") ?? 32,
              k.number("lora_dropout"),
              k.list("lora_target_modules").flatMap((t) => String(t).split(",")),
              k,
            ),
          }
        : {}),
      length: steps !== undefined && steps > 0 ? { steps } : { epochs: k.number("num_train_epochs") ?? 3 },
      perRank: micro * (k.number("gradient_accumulation_steps") ?? 1),
      micro,
      ...given("context", k.number("max_length", "max_seq_length")),
      precision:
        half === false || half === "false" ? (k.flag("fp16") ? "fp16" : "fp32") : k.flag("fp16") ? "fp16" : "bf16",
      ...shard(k),
      recompute:
        k.raw("gradient_checkpointing") === false || k.text("gradient_checkpointing") === "false" ? "none" : "full",
      optimizer,
      engine: "trl",
      ...given("saveSteps", whole(k.number("save_steps"))),
      ...given("evaluateSteps", whole(k.number("eval_steps"))),
      ...given("seed", k.number("seed")),
      ...(kind === "sft" ? { packing: packing === true || packing === "true" } : {}),
      ...(gpus > 0 ? { gpus } : {}),
    };
    if (kind === "grpo" && k.list("reward_funcs").length > 0)
      k.lost(`reward_funcs = ${k.list("reward_funcs").join(", ")} (write them as rewards)`);
    k.rest(silent);
    return draft;
  },
};

function kindOf(text: string, json: Readonly<Record<string, unknown>>): Kind {
  const said = /\btrl\s+(sft|dpo|grpo|gkd)\b/.exec(text)?.[1] ?? /\b(sft|dpo|grpo|gkd)\w*\.py\b/.exec(text)?.[1];
  if (said !== undefined) return said as Kind;
  if ("teacher_model_name_or_path" in json) return "gkd";
  if ("num_generations" in json || "reward_funcs" in json) return "grpo";
  return "beta" in json || "loss_type" in json ? "dpo" : "sft";
}

function objective(kind: Kind, k: Keys, beta: number | undefined): string {
  // Plain text has no completions to tell from prompts: the loss counts all of it.
  if (kind === "sft") return k.text("dataset_text_field") === undefined ? "sft" : "pretrain";
  const inner: string[] = [];
  const say = (key: string, value: number | string | undefined): void => {
    if (value !== undefined) inner.push(`${key} = ${value}`);
  };
  if (kind === "dpo") {
    say("beta", beta);
    const loss = k.text("loss_type");
    if (loss === "ipo") say("loss", "ipo");
    else if (loss !== undefined && loss !== "sigmoid") k.lost(`loss_type = ${loss}`);
    return inner.length === 0 ? "dpo" : `dpo { ${inner.join(", ")} }`;
  }
  say("temperature", k.number("temperature"));
  if (kind === "grpo") {
    say("reward", "right");
    say("group_size", k.number("num_generations") ?? 8);
    say("kl", beta ?? 0);
    const longest = k.number("max_completion_length");
    say("max_completion", longest === undefined ? undefined : `${longest} tokens`);
    say("clip", k.number("epsilon"));
    say("updates", k.number("num_iterations"));
    return `grpo { ${inner.join(", ")} }`;
  }
  say("teacher", "teacher");
  const divergence = k.number("beta") ?? 0.5;
  if (divergence !== 0 && divergence !== 1)
    k.lost(`beta = ${divergence} (the generalised divergence; forward_kl stands in)`);
  say("divergence", divergence === 1 ? "reverse_kl" : "forward_kl");
  const lambda = k.number("lmbda") ?? 0.5;
  if (lambda > 0) k.lost(`lmbda = ${lambda} (the share of answers that the student generates)`);
  return `distill { ${inner.join(", ")} }`;
}

function columns(kind: Kind, k: Keys): Entries {
  if (kind === "dpo") return [["format", "preference"]];
  if (kind === "grpo")
    return [
      ["format", "prompts"],
      ["prompt", '"prompt"'],
      ["answer", '"answer"'],
    ];
  const text = k.text("dataset_text_field");
  return text === undefined
    ? [
        ["format", "chat"],
        ["messages", '"messages"'],
      ]
    : [["field", quoted(text)]];
}

function shard(k: Keys): { readonly parallel?: Record<string, string> } {
  const said = [k.text("deepspeed"), k.text("config_file"), k.text("fsdp")].filter((s) => s !== undefined).join(" ");
  const zero = /zero([123])/.exec(said)?.[1];
  if (zero !== undefined) return { parallel: { shard: `zero${zero}` } };
  return /fsdp|full_shard/.test(said) ? { parallel: { shard: "zero3" } } : {};
}
