import { field, flag, ratio, real, text, variant, whole, words } from "../../catalog/index.js";
import type { BlockSpec } from "../types.js";
import { architectures } from "./architectures.js";

const count = { kind: "quantity", dimensions: ["count"], integer: true, min: 1 } as const;
const length = { kind: "quantity", dimensions: ["count", "tokens"], integer: true, min: 1 } as const;
const factor = field("factor", real(1), "how much longer the context is made", "8.0", { required: true });
const original = field("original_context", length, "context before scaling", "8Ki", { required: true });

const rope = [
  { name: "linear", doc: "positions divided by the factor", fields: [factor, original] },
  {
    name: "llama3",
    doc: "low frequencies stretched, high ones kept (Llama 3.1)",
    fields: [
      factor,
      original,
      field("low_frequency_factor", real(0), "below: stretched by the whole factor", "1.0", { default: "1.0" }),
      field("high_frequency_factor", real(0), "above: left as they are", "4.0", { default: "4.0" }),
    ],
  },
  {
    name: "yarn",
    doc: "YaRN (Peng et al. 2023), as DeepSeek uses it",
    fields: [
      factor,
      original,
      field("beta_fast", real(0), "rotations above which a frequency is kept", "32", { default: "32" }),
      field("beta_slow", real(0), "rotations below which it is stretched", "1", { default: "1" }),
      field("mscale", real(0), "scale of the attention's temperature", "1.0"),
      field("mscale_all_dim", real(0), "the same for all dimensions", "1.0"),
    ],
  },
];

export const model: BlockSpec = {
  keyword: "model",
  doc: "The shape of a model, in the words of Hugging Face configurations.",
  since: "0.1",
  named: true,
  inherits: true,
  fields: [
    field("architecture", words(architectures), "the family: it sets the defaults of what is left out", "llama", {
      required: true,
    }),
    field("layers", whole(1, 10_000), "transformer layers", "32", { required: true }),
    field("hidden", count, "features of the residual stream", "4096", { required: true }),
    field("heads", whole(), "query heads", "32", { required: true }),
    field("kv_heads", whole(), "key/value heads (GQA); unless given, as many as heads", "8"),
    field("head_dim", whole(), "features of a head; unless given, hidden / heads", "128"),
    field("ffn", count, "intermediate features of the MLP", "14336", { required: true }),
    field("vocab", count, "rows of the embedding", "128256", { required: true }),
    field("context_length", length, "longest sequence", "8Ki", { required: true }),
    field(
      "activation",
      words({
        silu: "SiLU (Swish)",
        gelu: "exact GELU",
        gelu_tanh: "GELU's tanh form",
        relu: "ReLU",
        relu_squared: "squared ReLU (Primer)",
      }),
      "of the MLP",
      "silu",
    ),
    field("gated_mlp", flag, "three matrices (SwiGLU, GeGLU) instead of two", "true"),
    field(
      "norm",
      words({ rmsnorm: "root mean square only", layernorm: "mean and variance" }),
      "kind of normalisation",
      "rmsnorm",
    ),
    field("norm_eps", real(0), "added to the variance", "1e-5"),
    field(
      "norm_placement",
      words({
        pre: "before attention and MLP",
        post: "after each (OLMo 2)",
        sandwich: "before and after (Gemma 2, 3)",
      }),
      "where norms stand",
      "pre",
    ),
    field("norm_bias", flag, "norms have a bias", "false"),
    field(
      "qk_norm",
      words({ none: "no", head: "per head (Qwen 3, Gemma 3)", full: "over the whole projection (OLMo 2)" }),
      "norm of queries and keys",
      "none",
    ),
    field(
      "position",
      words({ rope: "rotary", learned: "a table of positions", none: "none" }),
      "how positions enter",
      "rope",
    ),
    field("rope_theta", real(1), "base of the rotary frequencies", "500_000"),
    field("rope_fraction", ratio, "share of the head's features that rotate", "50%"),
    field(
      "rope_scaling",
      variant(rope),
      "how the context was extended",
      "llama3 { factor = 8, original_context = 8Ki }",
    ),
    field("tied_embeddings", flag, "the output head is the embedding", "false"),
    field(
      "attention_bias",
      words({ none: "no bias", qkv: "on queries, keys and values", all: "on the output projection too" }),
      "biases of the attention",
      "none",
    ),
    field("mlp_bias", flag, "biases of the MLP", "false"),
    field("head_bias", flag, "bias of the output head", "false"),
    field("parallel_block", flag, "attention and MLP read the same input (Phi 1, 2)", "false"),
    field("sliding_window", length, "tokens that sliding layers look back", "4Ki"),
    field("sliding_pattern", whole(), "every n-th layer attends to all; 1: all layers slide", "2"),
    field("sliding_rope_theta", real(1), "rotary base of the sliding layers, where it differs (Gemma 3)", "10_000"),
    field("attention_softcap", real(0), "cap of attention logits (Gemma 2)", "50"),
    field("final_softcap", real(0), "cap of the final logits (Gemma 2)", "30"),
    field("scale_embeddings", flag, "embeddings times √hidden (Gemma)", "false"),
    field("query_scale", real(0), "attention is scaled by 1/√ of this instead of head_dim", "256"),
    field("dropout", ratio, "after embedding, attention and MLP", "0.1"),
    field("experts", whole(), "routed experts of a Mixture-of-Experts layer", "8"),
    field("experts_per_token", whole(), "how many of them a token uses", "2"),
    field("shared_experts", whole(0), "experts that every token uses", "1"),
    field("moe_ffn", count, "intermediate features of one expert", "2048"),
    field("shared_ffn", count, "intermediate features of all shared experts together", "2048"),
    field("dense_layers", whole(0), "the first n layers are dense", "3"),
    field("moe_every", whole(), "every n-th layer is Mixture-of-Experts", "1"),
    field("capacity_factor", real(0), "tokens an expert takes over its fair share; unset: dropless", "1.25"),
    field("aux_loss", real(0), "weight of the load-balancing loss", "0.001"),
    field(
      "balancing",
      words({
        aux_loss: "by an extra loss",
        bias: "by a bias on the scores, without loss (DeepSeek V3)",
        none: "not at all",
      }),
      "how experts are kept busy",
      "aux_loss",
    ),
    field(
      "router_score",
      words({ softmax: "over the experts", sigmoid: "of each expert by itself" }),
      "what the router's scores are",
      "softmax",
    ),
    field("norm_topk", flag, "weights of the chosen experts add up to 1", "true"),
    field("routed_scale", real(0), "factor on the routed experts' output", "2.5"),
    field("expert_groups", whole(), "groups of experts to choose among first", "8"),
    field("groups_per_token", whole(), "how many groups a token may use", "4"),
    field("shared_gate", flag, "the shared expert's output is gated by a sigmoid", "false"),
    field("imbalance", real(1), "largest over mean load of an expert rank that plans reckon with", "1.1"),
    field("q_rank", whole(0), "MLA: rank of the queries; 0: direct", "1536"),
    field("kv_rank", whole(), "MLA: rank of keys and values; setting it makes the attention MLA", "512"),
    field("rope_head_dim", whole(), "MLA: features of a head that rotate", "64"),
    field("nope_head_dim", whole(), "MLA: features of a head that do not", "128"),
    field("value_head_dim", whole(), "MLA: features of a value head", "128"),
    field("weights", text, "a folder with safetensors and config.json to start from", '"s3://models/llama3-8b"'),
  ],
  example: "model student: llama3_8b { layers = 16, context_length = 8Ki }",
};
