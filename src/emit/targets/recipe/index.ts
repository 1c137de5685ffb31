/**
 * `recipe.yaml` in the forms of aws/sagemaker-hyperpod-recipes @2631995 (2026-06-23): `llmft_*` for SFT and DPO with FSDP,
 * `verl-grpo-*` for GRPO. The Llama and Mistral SMP pre-training recipes left that repository on 2025-12-02.
 */
import { type Diagnostic, emitCodes, type Outcome } from "../../../diagnostics/index.js";
import type { Plan } from "../../../planner/plan.js";
import { inputs } from "../../common/entry.js";
import { failed, learningRate, offloads, recomputeRule } from "../../common/lower.js";
import { sh } from "../../common/quote.js";
import { numberOption, option, type StageView, stringOption, viewStages } from "../../common/stage.js";
import { storage } from "../../common/target.js";
import { type Yaml, yaml } from "../../common/yaml.js";
import { verl, verlConfig } from "../../engines/verl/index.js";
import type { EmittedFile, Emitter } from "../../types.js";
import { mlName } from "../sagemaker/resources.js";

const providers = ["hyperpod", "sagemaker"];
const families = ["llama", "mistral", "mixtral", "qwen2", "qwen3", "qwen3_moe", "gemma3"];

const no = (view: StageView, what: string, hint: string): Diagnostic =>
  emitCodes.report("LLMP5012", view.spec.span, { what, stage: view.stage.name }, { hints: [hint] });

function problems(view: StageView): Diagnostic[] {
  const { parallel } = view.stage;
  const found: Diagnostic[] = [];
  const { kind } = view.spec.objective;
  if (!["sft", "dpo", "grpo"].includes(kind))
    found.push(
      no(
        view,
        `objective ${kind}`,
        "recipes are for sft, dpo and grpo; the targets sagemaker and hyperpod-eks do the others",
      ),
    );
  if (!families.includes(view.model.architecture.value))
    found.push(
      no(view, `the ${view.model.architecture.value} architecture`, `recipe families: ${families.join(", ")}`),
    );
  for (const axis of ["tensor", "pipeline", "context", "expert"] as const)
    if (parallel[axis] > 1) found.push(no(view, `${axis} parallelism`, "recipes shard with FSDP only"));
  if (kind !== "grpo") {
    if (parallel.shard === "zero1")
      found.push(no(view, "ZeRO-1", "sharding_strategy is FULL_SHARD, SHARD_GRAD_OP, HYBRID_SHARD or NO_SHARD"));
    const rule = recomputeRule(view);
    if (rule.kind !== "none" && rule.kind !== "full")
      found.push(no(view, `recompute ${view.stage.recompute.summary}`, "gradient_checkpointing is all or nothing"));
    if (offloads(view, "activations"))
      found.push(no(view, "activation offload", "recipes have cpu_offload of parameters only"));
    if (view.precision.compute.value !== "bf16")
      found.push(no(view, `${view.precision.compute.value} compute`, "llmft recipes train in bf16"));
    if (view.optimizer.kind !== "adamw")
      found.push(no(view, `the ${view.optimizer.kind} optimizer`, "llmft recipes train with AdamW"));
    if (!["cosine", "linear", "constant"].includes(learningRate(view).kind))
      found.push(no(view, `the ${learningRate(view).kind} schedule`, "lr_scheduler is cosine, linear or constant"));
    if (view.adapter?.kind.value === "qlora") found.push(no(view, "QLoRA", "peft_type is lora"));
  }
  if (view.mix.phases.length > 1)
    found.push(no(view, "a mix that changes", "recipes read one file; prepare it with llmp data build"));
  return found;
}

const sharding: Readonly<Record<string, string>> = {
  none: "NO_SHARD",
  zero2: "SHARD_GRAD_OP",
  zero3: "FULL_SHARD",
  hsdp: "HYBRID_SHARD",
};

/** One prepared file: raw mixes do not fit the recipe's `train_data`. */
const dataFile = (view: StageView): string => {
  const input = inputs(view).find((i) => i.channel.startsWith("data-"));
  const source = view.datasets[0]?.source.value[0] ?? "";
  return view.datasets.length === 1 && input !== undefined && !/[*?[{]/.test(source)
    ? source
    : `${storage(view) ?? "data"}/samples.jsonl`;
};

/** SFT's own converters of the recipe collection, by the columns of the dataset. */
function preprocessing(view: StageView): Yaml {
  if (view.spec.objective.kind === "dpo") {
    const half = Math.floor(view.stage.context_length / 2);
    return [
      { type: "TrainingPOSampleConverter", prompt_key: "prompt", key_map: { chosen: "chosen", rejected: "rejected" } },
      { type: "ApplyChatTemplate" },
      { type: "SelectColumns", selected_columns: ["prompt", "chosen", "rejected"] },
      { type: "TokenizeSampleDPO", add_special_tokens: false, max_completion_length: half, max_prompt_length: half },
      { type: "SequenceLengthFilter", tokens_labels: ["chosen_input_ids"] },
      { type: "SequenceLengthFilter", tokens_labels: ["rejected_input_ids"] },
    ];
  }
  return [
    { type: "TrainingSFTSampleConverter" },
    { type: "Seq2SeqTokensProcessor", ignore_prompt_labels: option(view, "trainOnPrompt") !== true },
    { type: "DropColumns", column_names: ["messages"] },
  ];
}

function llmft(view: StageView): Yaml {
  const { stage, spec, adapter, optimizer } = view;
  const { parallel } = stage;
  const lr = learningRate(view);
  const dpo = spec.objective.kind === "dpo";
  return {
    display_name: `${stage.model.name} ${dpo ? "DPO" : "SFT"}${adapter === undefined ? "" : " with LoRA"}`,
    version: "1.0.0",
    instance_types: [mlName(stage.cluster.instance)],
    run: {
      name: view.jobName,
      model_type: "llm_finetuning_aws",
      results_dir: "${base_results_dir}/${.name}",
      hf_access_token: null,
    },
    trainer: { devices: view.devicesPerNode, num_nodes: view.nodes },
    training_config: {
      model_config: {
        model_name_or_path: view.model.weights?.value ?? "/model",
        multimodal: false,
        peft_config:
          adapter === undefined
            ? undefined
            : {
                peft_type: "lora",
                target_modules: adapter.targets.value.includes("all_linear") ? "all-linear" : adapter.targets.value,
                r: adapter.rank.value,
                lora_alpha: adapter.alpha.value,
                lora_dropout: adapter.dropout.value,
                bias: "none",
                task_type: "CAUSAL_LM",
                use_dora: false,
              },
        model_save_name: view.jobName,
        attn_implementation: "sdpa",
      },
      datasets: {
        train_data: { name: view.datasets[0]?.name ?? "data", file_path: dataFile(view), limit: null },
        val_data: { name: "", file_path: "", limit: null },
        train_val_split_ratio: 1 - (view.datasets[0]?.holdout.value ?? 0),
        train_val_split_seed: spec.seed.value,
        preprocessor_cfgs: preprocessing(view),
      },
      training_args: {
        trainer_type: dpo ? "dpo" : "sft",
        seed: spec.seed.value,
        packing_samples: spec.packing.value,
        beta: dpo ? numberOption(view, "beta", 0.1) : undefined,
        loss_type: dpo ? (stringOption(view, "loss") ?? "sigmoid") : undefined,
        label_smoothing: dpo ? numberOption(view, "labelSmoothing", 0) : undefined,
        learning_rate: lr.peak,
        lr_warmup_ratio: stage.steps > 0 ? lr.warmup / stage.steps : 0,
        lr_scheduler: lr.kind,
        weight_decay: optimizer.weightDecay,
        adam_betas: [optimizer.beta1, optimizer.beta2],
        gradient_clipping: optimizer.clip > 0,
        gradient_clipping_threshold: optimizer.clip,
        max_norm: optimizer.clip,
        gradient_checkpointing: recomputeRule(view).kind === "full",
        gradient_checkpointing_use_reentrant: false,
        micro_train_batch_size: parallel.micro_batch,
        train_batch_size: stage.global_batch,
        max_len: stage.context_length,
        max_epochs: spec.length.value.unit === "epochs" ? Math.ceil(spec.length.value.amount) : 1,
        max_samples: stage.steps * stage.global_batch,
        save_steps: view.saveSteps ?? 0,
        eval_steps: view.evaluateSteps ?? 0,
        save_hf_ckpt: true,
        merge_weights: adapter === undefined ? undefined : false,
        logging_steps: 1,
        strategy: {
          fsdp_config: {
            auto_wrap_policy: "TRANSFORMER_BASED_WRAP",
            backward_prefetch: "BACKWARD_PRE",
            forward_prefetch: false,
            cpu_offload: offloads(view, "optimizer"),
            cpu_ram_efficient_loading: true,
            sharding_strategy: sharding[parallel.shard] ?? "FULL_SHARD",
            state_dict_type: "SHARDED_STATE_DICT",
            sync_module_states: true,
            use_orig_params: true,
          },
        },
      },
    },
  };
}

function grpo(view: StageView): Outcome<Yaml> {
  const lowered = verl.lower(view);
  if (lowered.value === undefined) return { diagnostics: lowered.diagnostics };
  const host = Math.floor(((view.instance?.hostMemoryBytes ?? 0) * 0.8) / 1024 ** 3);
  return {
    value: {
      display_name: `${view.stage.model.name} GRPO`,
      version: "1.0.0",
      instance_types: [mlName(view.stage.cluster.instance)],
      run: { name: view.jobName, model_type: "verl", results_dir: "${base_results_dir}/${.name}" },
      trainer: { devices: view.devicesPerNode, num_nodes: view.nodes },
      ray_cluster: {
        head_node: { cpu: "16", gpu: "0", memory: "32Gi" },
        worker_nodes: {
          cpu: "48",
          gpu: String(view.devicesPerNode),
          memory: `${Math.max(32, host)}Gi`,
          replicas: view.nodes,
        },
      },
      training_config: verlConfig(view),
    },
    diagnostics: [],
  };
}

function readmeText(view: StageView): string {
  return [
    `# Stage ${view.stage.name} as a HyperPod recipe`,
    "",
    "```sh",
    "./launch.sh /path/to/sagemaker-hyperpod-recipes",
    "```",
    "",
    "It copies `recipe.yaml` into a checkout of aws/sagemaker-hyperpod-recipes (2026-06-23 or later) and starts its `main.py` with it.",
    "Set `container`, `cluster` and `base_results_dir` with Hydra overrides after the path, as that repository's README says.",
    "",
    "The recipe's own launcher decides about containers and mounts; the planned batch, sharding, recomputation and schedule are in the file. Written by llmp.",
    "",
  ].join("\n");
}

function launch(view: StageView): string {
  const cluster =
    view.cluster.provider.value === "sagemaker"
      ? "sm_jobs"
      : view.cluster.orchestrator?.value === "slurm"
        ? "slurm"
        : "k8s";
  return `#!/usr/bin/env bash
# Starts this recipe from a checkout of aws/sagemaker-hyperpod-recipes. Written by llmp.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
recipes="\${1:?the folder of sagemaker-hyperpod-recipes}"
shift
mkdir -p "$recipes/recipes_collection/recipes/fine-tuning/llmp"
cp "$here/recipe.yaml" "$recipes/recipes_collection/recipes/fine-tuning/llmp/"${sh(`${view.jobName}.yaml`)}
cd "$recipes"
python3 main.py recipes=${sh(`fine-tuning/llmp/${view.jobName}`)} cluster=${cluster} cluster_type=${cluster} instance_type=${sh(mlName(view.stage.cluster.instance).replace(/^ml\./, ""))} "$@"
`;
}

function emitRecipe(plan: Plan): Outcome<readonly EmittedFile[]> {
  const diagnostics: Diagnostic[] = [];
  const files: EmittedFile[] = [];
  for (const view of viewStages(plan)) {
    const found = providers.includes(view.cluster.provider.value)
      ? problems(view)
      : [
          emitCodes.report(
            "LLMP5005",
            view.cluster.provider.span,
            { target: "recipe", cluster: view.cluster.name, provider: view.cluster.provider.value },
            { hints: [`recipe is for provider = ${providers.join(" | ")}`] },
          ),
        ];
    if (found.length > 0) {
      diagnostics.push(...found);
      continue;
    }
    const recipe: Outcome<Yaml> =
      view.spec.objective.kind === "grpo" ? grpo(view) : { value: llmft(view), diagnostics: [] };
    diagnostics.push(...recipe.diagnostics);
    if (recipe.value === undefined) continue;
    const head = ["HyperPod recipe, in the form of aws/sagemaker-hyperpod-recipes @2631995. Written by llmp."];
    files.push(
      { path: `${view.folder}recipe.yaml`, text: yaml(recipe.value, head) },
      { path: `${view.folder}launch.sh`, text: launch(view), executable: true },
      { path: `${view.folder}README.md`, text: readmeText(view) },
    );
    if (view.spec.objective.kind === "grpo")
      files.push(
        ...(verl.lower(view).value?.files.filter((f) => /reward/.test(f.path)) ?? []).map((f) => ({
          ...f,
          path: `${view.folder}${f.path}`,
        })),
      );
  }
  return diagnostics.length > 0 ? failed(diagnostics) : { value: files, diagnostics };
}

export const recipe: Emitter = {
  name: "recipe",
  doc: "a recipe for sagemaker-hyperpod-recipes: SFT, LoRA and DPO (llmft), GRPO (verl)",
  providers,
  emit: emitRecipe,
};
