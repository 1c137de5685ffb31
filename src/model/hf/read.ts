/** Hugging Face's `config.json` as the keys of a `model` block. */
import type { RopeScaling } from "../../checker/index.js";
import { type Diagnostic, hasErrors, importCodes, nearest, type Outcome } from "../../diagnostics/index.js";
import type { FieldValue, ModelFields } from "../fields.js";
import { architectureOf, hfFamilies } from "./families.js";
import { isRecord, Reader } from "./reader.js";

/**
 * Whatever the file says that a model here cannot say is a warning (LLMP7003). Reads files of transformers 4 and 5; keys
 * that the file leaves out are what the family's configuration class takes.
 * @param path for messages only
 */
export function fromHfConfig(json: unknown, path: string): Outcome<ModelFields> {
  const diagnostics: Diagnostic[] = [];
  if (!isRecord(json)) {
    const why = "it holds no JSON object";
    return { diagnostics: [importCodes.report("LLMP7001", undefined, { path, why })] };
  }
  const config = textPart(json, diagnostics);
  const type = String(config.model_type ?? typeOfClass(config.architectures) ?? "");
  const architecture = architectureOf(type);
  if (architecture === undefined) {
    const known = Object.values(hfFamilies).map((f) => f.modelType);
    const guess = nearest(type, known);
    const hints = [
      ...(guess === undefined ? [] : [`the nearest known type is \`${guess}\``]),
      `known: ${known.join(", ")}`,
    ];
    if (type === "") {
      const why = "it has no `model_type`: it is no model's configuration";
      return { diagnostics: [importCodes.report("LLMP7001", undefined, { path, why })] };
    }
    return { diagnostics: [importCodes.report("LLMP7002", undefined, { path, type }, { hints })] };
  }
  const r = new Reader(config, type, path, diagnostics);
  const fields = type === "gpt2" ? gpt2(r) : decoder(r, type);
  r.rest();
  if (hasErrors(diagnostics)) return { diagnostics };
  const all: Found = { architecture, ...fields };
  const present = Object.entries(all).filter((e): e is [string, FieldValue] => e[1] !== undefined);
  return { value: Object.fromEntries(present), diagnostics };
}

type Found = Readonly<Record<string, FieldValue | undefined>>;

/** Models that also see or hear keep the language model's shape in a part of the file. */
function textPart(
  json: Readonly<Record<string, unknown>>,
  diagnostics: Diagnostic[],
): Readonly<Record<string, unknown>> {
  const part = json.text_config;
  if (!isRecord(part)) return json;
  const others = Object.keys(json).filter(
    (key) => key !== "text_config" && key.endsWith("_config") && isRecord(json[key]),
  );
  const towers = others.filter((key) => key !== "quantization_config");
  if (towers.length > 0)
    diagnostics.push(
      importCodes.report("LLMP7003", undefined, { what: `all but the language model (${towers.join(", ")})` }),
    );
  const own = json.model_type === "gemma3" && part.model_type === undefined ? { model_type: "gemma3_text" } : {};
  const tied = typeof json.tie_word_embeddings === "boolean" ? { tie_word_embeddings: json.tie_word_embeddings } : {};
  return { ...tied, ...own, ...part };
}

/** Very old files have only `architectures`. */
function typeOfClass(classes: unknown): string | undefined {
  const [name] = Array.isArray(classes) ? classes : [];
  return Object.values(hfFamilies).find((f) => f.model === name)?.modelType;
}

function gpt2(r: Reader): Found {
  const hidden = r.whole("n_embd");
  for (const key of ["scale_attn_by_inverse_layer_idx", "add_cross_attention"]) r.expect(key, false);
  r.expect("scale_attn_weights", true);
  const dropout = r.ratio("resid_pdrop");
  for (const key of ["embd_pdrop", "attn_pdrop"])
    if (r.ratio(key) !== dropout) r.lost(`${key} other than resid_pdrop (dropout is one rate here)`);
  return {
    layers: r.whole("n_layer"),
    hidden,
    heads: r.whole("n_head"),
    ffn: r.optional("n_inner") ?? 4 * (hidden ?? 0),
    vocab: r.whole("vocab_size"),
    context_length: r.whole("n_positions"),
    activation: r.activation("activation_function"),
    norm_eps: r.real("layer_norm_epsilon"),
    tied_embeddings: r.flag("tie_word_embeddings"),
    dropout,
  };
}

function decoder(r: Reader, type: string): Found {
  const hidden = r.whole("hidden_size");
  const heads = r.whole("num_attention_heads");
  const layers = r.whole("num_hidden_layers");
  const gemma = type.startsWith("gemma");
  const latent = type.startsWith("deepseek");
  const dim = r.optional("head_dim");
  const head_dim = latent ? undefined : (dim ?? (hidden ?? 0) / (heads ?? 1));
  const context = r.whole("max_position_embeddings");
  const dropout = type === "phi" || type === "phi3" ? r.ratio("resid_pdrop", 0) : undefined;
  if (dropout !== undefined && r.ratio("embd_pdrop", 0) !== dropout) r.lost("embd_pdrop other than resid_pdrop");
  if ((r.ratio("attention_dropout", 0) ?? 0) !== (dropout ?? 0))
    r.lost("attention_dropout by itself (dropout is one rate here)");
  if (type === "phi") r.expect("qk_layernorm", false);
  const hiddenAct = r.get("hidden_activation") === undefined ? "hidden_act" : "hidden_activation";
  return {
    layers,
    hidden,
    heads,
    kv_heads: r.optional("num_key_value_heads") ?? heads,
    head_dim,
    ffn: r.whole("intermediate_size"),
    vocab: r.whole("vocab_size"),
    context_length: context,
    activation: r.activation(hiddenAct),
    norm_eps: r.real(type === "phi" ? "layer_norm_eps" : "rms_norm_eps"),
    tied_embeddings: r.flag("tie_word_embeddings"),
    ...bias(r, type),
    ...rope(r, type, context ?? 0),
    ...sliding(r, type, layers ?? 0),
    ...(gemma
      ? {
          query_scale: r.real("query_pre_attn_scalar"),
          attention_softcap: r.optionalReal("attn_logit_softcapping"),
          final_softcap: r.optionalReal("final_logit_softcapping"),
        }
      : {}),
    ...(dropout === undefined || dropout === 0 ? {} : { dropout }),
    ...experts(r, type),
    ...(latent ? mla(r) : {}),
  };
}

function bias(r: Reader, type: string): Found {
  if (type === "phi" || /^(mistral|mixtral|qwen2|phi3)$/.test(type)) return {};
  const attention_bias = r.flag("attention_bias", false) ? "all" : "none";
  return type === "llama" || type === "deepseek_v2"
    ? { attention_bias, mlp_bias: r.flag("mlp_bias", false) }
    : { attention_bias };
}

function rope(r: Reader, type: string, context: number): Found {
  // transformers 5 keeps all of it in `rope_parameters`, for Gemma 3 by kind of layer.
  const parameters = r.record("rope_parameters");
  const full = isRecord(parameters?.full_attention) ? parameters.full_attention : parameters;
  const slides = isRecord(parameters?.sliding_attention) ? parameters.sliding_attention : undefined;
  const theta = r.numberOf(full?.rope_theta) ?? r.real("rope_theta");
  const fraction = r.numberOf(full?.partial_rotary_factor) ?? r.optionalReal("partial_rotary_factor");
  const local = r.numberOf(slides?.rope_theta) ?? r.optionalReal("rope_local_base_freq");
  const scaling = r.record("rope_scaling");
  r.use("original_max_position_embeddings");
  return {
    rope_theta: theta,
    rope_fraction: fraction,
    sliding_rope_theta: type === "gemma3_text" ? local : undefined,
    rope_scaling: rescaled(r, scaling ?? full, context),
  };
}

function rescaled(
  r: Reader,
  s: Readonly<Record<string, unknown>> | undefined,
  context: number,
): RopeScaling | undefined {
  const kind = s?.rope_type ?? s?.type ?? "default";
  if (s === undefined || kind === "default" || kind === "mrope") return undefined;
  if (kind !== "linear" && kind !== "llama3" && kind !== "yarn") {
    r.lost(`rope scaling \`${String(kind)}\` (positions stay as they are up to the context)`);
    return undefined;
  }
  const number = (key: string): number | undefined => r.numberOf(s[key]);
  const factor = number("factor");
  if (factor === undefined) {
    r.wrong("rope_scaling", "has no `factor`");
    return undefined;
  }
  if (number("attention_factor") !== undefined) r.lost("rope_scaling.attention_factor");
  const original = number("original_max_position_embeddings") ?? (kind === "yarn" ? context : context / factor);
  const values = {
    kind,
    factor,
    originalContext: Math.max(1, Math.round(original)),
    ...(kind === "llama3"
      ? { lowFrequencyFactor: number("low_freq_factor") ?? 1, highFrequencyFactor: number("high_freq_factor") ?? 4 }
      : {}),
    ...(kind === "yarn" ? { betaFast: number("beta_fast") ?? 32, betaSlow: number("beta_slow") ?? 1 } : {}),
    mscale: number("mscale"),
    mscaleAllDim: number("mscale_all_dim"),
  } satisfies Record<string, unknown>;
  return Object.fromEntries(Object.entries(values).filter(([, v]) => v !== undefined)) as unknown as RopeScaling;
}

function sliding(r: Reader, type: string, layers: number): Found {
  const qwen = type.startsWith("qwen");
  const on = qwen ? r.flag("use_sliding_window", false) : true;
  const window = r.optional("sliding_window");
  const types = r.list("layer_types");
  const given = r.optional("sliding_window_pattern") ?? r.optional("_sliding_window_pattern");
  const first = r.optional("max_window_layers") ?? 0;
  if (window === undefined || window === 0 || on !== true) return {};
  const usual = given ?? { gemma2: 2, gemma3_text: 6 }[type] ?? 1;
  const slides = types === undefined ? undefined : types.map((t) => t === "sliding_attention");
  if (slides?.every((s) => !s) || (slides === undefined && qwen && first >= layers)) return {};
  const fits = (n: number): boolean => slides?.every((s, i) => s === (n <= 1 || (i + 1) % n !== 0)) ?? true;
  const pattern = [usual, 1, ...Array.from({ length: slides?.length ?? 0 }, (_, i) => i + 2)].find(fits);
  if (pattern === undefined || (slides === undefined && qwen && first > 0)) {
    r.lost("which layers slide (here it is all, or all but every n-th): all attend to the whole context");
    return {};
  }
  return { sliding_window: window, sliding_pattern: pattern };
}

function experts(r: Reader, type: string): Found {
  if (type === "mixtral") {
    r.expect("router_jitter_noise", 0);
    return {
      experts: r.whole("num_local_experts"),
      experts_per_token: r.whole("num_experts_per_tok"),
      aux_loss: r.real("router_aux_loss_coef"),
    };
  }
  if (type === "qwen3_moe") {
    const dense = r.list("mlp_only_layers") ?? [];
    if (dense.some((layer, i) => layer !== i)) r.lost("mlp_only_layers (here only the first layers can be dense)");
    r.expect("decoder_sparse_step", 1);
    return {
      // transformers 5 writes the first name.
      experts: r.optional("num_local_experts") ?? r.whole("num_experts"),
      experts_per_token: r.whole("num_experts_per_tok"),
      moe_ffn: r.whole("moe_intermediate_size"),
      dense_layers: dense.every((layer, i) => layer === i) ? dense.length : 0,
      aux_loss: r.real("router_aux_loss_coef"),
      norm_topk: r.flag("norm_topk_prob"),
    };
  }
  if (!type.startsWith("deepseek")) return {};
  const method = r.get("topk_method");
  const score = r.get("scoring_func");
  if (score !== undefined && score !== "softmax" && score !== "sigmoid") r.lost(`scoring_func = ${String(score)}`);
  r.use("ep_size", "seq_aux");
  r.expect("rope_interleave", true);
  const grouped = method !== "greedy";
  const [groups, perToken] = [r.optional("n_group"), r.optional("topk_group")];
  return {
    experts: r.whole("n_routed_experts"),
    experts_per_token: r.whole("num_experts_per_tok"),
    shared_experts: r.optional("n_shared_experts") ?? 0,
    moe_ffn: r.whole("moe_intermediate_size"),
    dense_layers: r.optional("first_k_dense_replace") ?? 0,
    moe_every: r.optional("moe_layer_freq") ?? 1,
    norm_topk: r.flag("norm_topk_prob"),
    routed_scale: r.real("routed_scaling_factor"),
    expert_groups: grouped ? (groups ?? 1) : 1,
    groups_per_token: grouped ? (perToken ?? 1) : 1,
    aux_loss: r.optionalReal("aux_loss_alpha"),
    ...(score === "softmax" || score === "sigmoid" ? { router_score: score } : {}),
    ...(method === undefined ? {} : { balancing: method === "noaux_tc" ? "bias" : "aux_loss" }),
  };
}

const mla = (r: Reader): Found => ({
  q_rank: r.get("q_lora_rank") === null ? 0 : r.whole("q_lora_rank"),
  kv_rank: r.whole("kv_lora_rank"),
  rope_head_dim: r.whole("qk_rope_head_dim"),
  nope_head_dim: r.whole("qk_nope_head_dim"),
  value_head_dim: r.whole("v_head_dim"),
});
