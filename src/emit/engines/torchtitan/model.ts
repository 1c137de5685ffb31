/** The model's shape in torchtitan's own arguments (0.2.2 model/args.py). */
import type { Literal } from "../../common/quote.js";
import type { StageView } from "../../common/stage.js";

const families: Readonly<Record<string, string>> = { llama: "llama3", qwen3: "qwen3", qwen3_moe: "qwen3" };

export const modelName = (view: StageView): string => families[view.model.architecture.value] ?? "llama3";

/** Keyword arguments; `rope_scaling_args` and `moe_args` are built by llmp_titan.py. */
export function modelArgs(view: StageView): { readonly [key: string]: Literal } {
  const { model, stage } = view;
  const shared = {
    dim: model.hidden.value,
    n_layers: model.layers.value,
    n_heads: model.heads.value,
    n_kv_heads: model.kvHeads.value,
    vocab_size: model.vocab.value,
    norm_eps: model.normEps.value,
    rope_theta: model.ropeTheta.value,
    max_seq_len: Math.max(model.contextLength.value, stage.context_length),
    ...(view.spec.packing.value ? { attn_type: "flex", attn_mask_type: "block_causal" } : {}),
  };
  if (modelName(view) === "qwen3") {
    const moe = model.moe;
    return {
      ...shared,
      head_dim: model.headDim.value,
      hidden_dim: model.ffn.value,
      qk_norm: model.qkNorm.value === "head",
      enable_weight_tying: model.tiedEmbeddings.value,
      ...(moe === undefined
        ? {}
        : {
            moe_enabled: true,
            moe_inter_dim: moe.moeFfn.value,
            moe_args: {
              num_experts: moe.experts.value,
              num_shared_experts: 0,
              top_k: moe.expertsPerToken.value,
              score_func: moe.routerScore.value,
              route_norm: moe.normTopk.value,
              route_scale: moe.routedScale.value,
              score_before_experts: false,
              load_balance_coeff: moe.balancing.value === "none" ? null : moe.auxLoss.value,
            },
          }),
    };
  }
  // torchtitan rounds 8/3 · dim · multiplier up to a multiple: the multiple itself, when the product is not above it.
  const plain = Math.trunc((8 * model.hidden.value) / 3);
  const scaling = model.ropeScaling?.value;
  return {
    ...shared,
    multiple_of: model.ffn.value,
    ffn_dim_multiplier: plain <= model.ffn.value ? 1 : (model.ffn.value - 1) / plain,
    rope_scaling_args: {
      scaling_factor: scaling?.factor ?? 1,
      low_freq_factor: scaling?.lowFrequencyFactor ?? 1,
      high_freq_factor: scaling?.highFrequencyFactor ?? 4,
      original_max_position_embeddings:
        scaling?.originalContext ?? Math.max(model.contextLength.value, stage.context_length),
    },
  };
}
