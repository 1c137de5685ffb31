/** torchtitan: TOML of versions up to 0.2, and functions that return a `Trainer.Config` (0.3). */
import { parse } from "smol-toml";
import { type Diagnostic, importCodes } from "../diagnostics/index.js";
import { given, whole } from "./axolotl.js";
import { dataset, optimizerKind, optimizerText, scheduleKind } from "./common.js";
import { flatten, isRecord, Keys } from "./keys.js";
import { type Call, callOf, functions } from "./python.js";
import type { Draft, Importer, ImportHost, ImportSource } from "./types.js";
import { quoted } from "./write.js";

const silent =
  /^(job\.|profil|metrics|comm\.|experimental\.|memory_estimation|fault_tolerance|debug\.(?!seed)|compile|validat|model\.(hf_assets_path|tokenizer_path|converters|print_after_conversion|norm_type|attn_backend)|checkpoint\.(?!interval)|hf_assets_path|dump_folder|loss\.|dataloader\.(?!dataset)|training\.(compile|gc_freq|gc_debug|deterministic|disable_cuda_graphs|dataset|mixed_precision_reduce|dtype|enable_cpu_offload|debug_moe_force_load_balance)|optimizer\.(implementation|early_step_in_backward)|quantize\.|float8\.|mx\.|activation_checkpoint\.|model_spec|parallelism\.(disable_loss_parallel|enable_async_tensor_parallel|enable_compiled_autograd|fsdp_reshard_after_forward|module_fqns_per_model_part|context_parallel_rotate_method|pipeline_parallel_microbatch_size|pipeline_parallel_layers_per_stage|pipeline_parallel_schedule_csv|expert_tensor_parallel_degree|spmd_backend))|\$call$|\.\$\d+$|^\$call/;

export const torchtitan: Importer = {
  kind: "torchtitan",
  title: "torchtitan's TOML, or a Python function that returns its Trainer.Config",
  detects: ({ text }) =>
    /Trainer\.Config\s*\(/.test(text) ||
    (/^\[training\]/m.test(text) && /^\[(parallelism|model|job)\]/m.test(text) && /flavor|seq_len/.test(text)),
  read(source, host, diagnostics) {
    const found = source.text.includes("Trainer.Config(")
      ? pythonConfig(source, host, diagnostics)
      : tomlConfig(source);
    if (found === undefined) return undefined;
    return draftOf(new Keys(flatten(found.config), source.path, diagnostics), found.model);
  },
};

interface Found {
  readonly config: Readonly<Record<string, unknown>>;
  readonly model: string | undefined;
}

function tomlConfig(source: ImportSource): Found | undefined {
  const config: unknown = parse(source.text);
  if (!isRecord(config)) return undefined;
  const { name, flavor } = isRecord(config.model) ? config.model : {};
  return { config, model: name === undefined ? undefined : `${String(name)}_${String(flavor ?? "")}` };
}

function pythonConfig(source: ImportSource, host: ImportHost, diagnostics: Diagnostic[]): Found | undefined {
  const bodies = [...functions(source.text)].filter(([, body]) => body.includes("Trainer.Config("));
  const names = bodies.filter(([, body]) => callOf(body, "Trainer.Config") !== undefined).map(([name]) => name);
  const name = host.entry ?? names.find((n) => !n.includes("debug")) ?? names[0];
  const body = bodies.find(([n]) => n === name)?.[1] ?? (bodies.length === 0 ? source.text : undefined);
  const config = body === undefined ? undefined : callOf(body, "Trainer.Config");
  if (body === undefined || config === undefined) {
    const why =
      host.entry === undefined
        ? "no function returns a Trainer.Config(…)"
        : `no function ${host.entry} returns a Trainer.Config(…)`;
    diagnostics.push(
      importCodes.report(
        "LLMP7001",
        undefined,
        { path: source.path, why },
        { hints: names.length > 0 ? [`it has ${names.join(", ")}`] : [] },
      ),
    );
    return undefined;
  }
  const others = names.filter((n) => n !== name);
  if (host.entry === undefined && others.length > 0)
    diagnostics.push(
      importCodes.report("LLMP7005", undefined, {
        what: `the function ${name} (\`--entry\` names another: ${others.slice(0, 6).join(", ")})`,
      }),
    );
  const registry = callOf(body, "model_registry");
  // The model's name is the module's: `torchtitan/models/llama3/config_registry.py`, or the function's own.
  const folder = /([\w]+)\/config_registry\.py$/.exec(source.path.replaceAll("\\", "/"))?.[1];
  const flavor = registry === undefined ? undefined : String(registry.$0 ?? "");
  const family = folder !== undefined && folder !== "llmpcfg" ? folder : (name ?? "").split("_")[0];
  return {
    config: { ...config, ...fp8(registry, body), activation_checkpoint: recompute(config.activation_checkpoint) },
    model: flavor === undefined ? undefined : `${family}_${flavor}`,
  };
}

const fp8 = (registry: Call | undefined, body: string): Record<string, unknown> =>
  registry !== undefined && /(Float8|MXFP8)\w*Converter/.test(body)
    ? { quantize: { fp8: true, mx: /MXFP8/.test(body) } }
    : {};

function recompute(value: unknown): Record<string, unknown> {
  const call = isRecord(value) && "$call" in value ? String(value.$call) : "";
  return { mode: call.startsWith("FullAC") ? "full" : call.startsWith("SelectiveAC") ? "selective" : "none" };
}

function draftOf(k: Keys, model: string | undefined): Draft {
  k.raw("model.name", "model.flavor");
  const steps = k.number("training.steps");
  const decay = k.number("lr_scheduler.decay_ratio");
  const shape = scheduleKind(k.text("lr_scheduler.decay_type") ?? "linear", k);
  const betas = k.list("optimizer.betas").map(Number);
  const converters = [k.list("model.converters"), k.list("quantize.fp8")].flat().map(String).join(" ");
  const mx = /\bmx/.test(converters) || k.flag("quantize.mx");
  const eight = /float8|true/.test(converters) || Object.keys(k.all).some((key) => key.startsWith("float8."));
  if (/sqrt/.test(k.text("lr_scheduler.decay_type") ?? "")) k.lost("the square-root decay");
  const global = k.number("training.global_batch_size");
  const mode = k.text("activation_checkpoint.mode") ?? "selective";
  const path =
    k.text("training.dataset_path", "dataloader.dataset_path") ??
    k.text("training.dataset", "dataloader.dataset") ??
    "c4";
  const replicate = k.number("parallelism.data_parallel_replicate_degree") ?? 1;
  const sharded = k.number("parallelism.data_parallel_shard_degree") ?? -1;
  const parallel: Record<string, number | string> = {};
  parallel.shard = replicate > 1 ? (sharded === 1 ? "none" : "hsdp") : sharded === 1 ? "none" : "zero3";
  if (parallel.shard === "hsdp" && sharded > 1) parallel.shard_group = sharded;
  const ranks = {
    tensor: "tensor_parallel_degree",
    pipeline: "pipeline_parallel_degree",
    context: "context_parallel_degree",
    expert: "expert_parallel_degree",
  };
  let devices = sharded > 0 ? replicate * sharded : 0;
  for (const [name, key] of Object.entries(ranks)) {
    const degree = k.number(`parallelism.${key}`) ?? 1;
    if (degree > 1) parallel[name] = degree;
    if (name !== "expert") devices *= degree;
  }
  const schedule = k.text("parallelism.pipeline_parallel_schedule");
  if (schedule !== undefined && parallel.pipeline !== undefined) {
    const known = /interleaved1f1b/i.test(schedule)
      ? "interleaved"
      : /1f1b/i.test(schedule)
        ? "1f1b"
        : /gpipe/i.test(schedule)
          ? "gpipe"
          : /zero|zb/i.test(schedule)
            ? "zero_bubble"
            : undefined;
    if (known === undefined) k.lost(`pipeline_parallel_schedule = ${schedule}`);
    else parallel.schedule = known;
  }
  if (k.raw("parallelism.enable_sequence_parallel") === false && parallel.tensor !== undefined)
    k.lost("enable_sequence_parallel = false");
  const micro = k.number("training.local_batch_size") ?? 8;
  const draft: Draft = {
    stage: "pretrained",
    objective: "pretrain",
    model: model === undefined ? {} : { id: model },
    datasets: [dataset(path, [["field", quoted("text")]])],
    length: { steps: steps ?? 10_000 },
    ...(global === undefined || global <= 0 ? {} : { sequences: global }),
    perRank: micro,
    ...(parallel.pipeline === undefined ? { micro } : {}),
    ...given("context", k.number("training.seq_len")),
    precision: mx
      ? "mxfp8"
      : eight
        ? "fp8"
        : (k.text("training.mixed_precision_param") ?? "bfloat16") === "float32"
          ? "fp32"
          : "bf16",
    parallel,
    recompute: mode === "full" ? "full" : mode === "none" ? "none" : "selective",
    optimizer: optimizerText({
      kind: optimizerKind(k.text("optimizer.name") ?? "adamw", k),
      lr: k.number("optimizer.lr") ?? 8e-4,
      weightDecay: k.number("optimizer.weight_decay") ?? 0.1,
      beta1: k.number("optimizer.beta1") ?? betas[0],
      beta2: k.number("optimizer.beta2") ?? betas[1] ?? 0.95,
      eps: k.number("optimizer.eps"),
      clip: k.number("training.max_norm"),
      // Without a ratio the whole training after the warm-up is the decay; with one there is a plateau before it.
      schedule: decay !== undefined && decay < 1 ? "wsd" : shape,
      warmupSteps: k.number("lr_scheduler.warmup_steps") ?? 200,
      minLr: k.number("lr_scheduler.min_lr_factor", "lr_scheduler.lr_min") ?? 0,
      decay,
    }),
    engine: "torchtitan",
    ...given("saveSteps", whole(k.number("checkpoint.interval"))),
    ...given("seed", k.number("training.seed", "debug.seed")),
    ...(devices > 0 ? { gpus: devices } : {}),
  };
  if (decay !== undefined && decay < 1 && shape !== "linear")
    k.lost(`decay_type = ${shape} after the plateau (a line stands in)`);
  k.rest(silent);
  return draft;
}
