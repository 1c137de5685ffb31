import { field, list, oneOf, ratio, real, whole, words } from "../../catalog/index.js";
import type { BlockSpec } from "../types.js";

/** Projections that an adapter can sit on. */
export const adapterTargets: Readonly<Record<string, string>> = {
  all_linear: "every projection of attention and MLP",
  q_proj: "queries",
  k_proj: "keys",
  v_proj: "values",
  o_proj: "the attention's output",
  gate_proj: "the MLP's gate",
  up_proj: "the MLP's way up",
  down_proj: "the MLP's way down",
};

export const adapter: BlockSpec = {
  keyword: "adapter",
  doc: "Low-rank matrices that are trained instead of the model's weights.",
  since: "0.1",
  named: true,
  fields: [
    field(
      "kind",
      words({ lora: "LoRA (Hu et al. 2021)", qlora: "LoRA on base weights kept in 4-bit NF4 (Dettmers et al. 2023)" }),
      "what it is",
      "lora",
      { default: "lora" },
    ),
    field("rank", whole(), "inner features", "16", { default: "16" }),
    field("alpha", real(0), "scale: the update counts alpha / rank", "32", { default: "32" }),
    field("dropout", ratio, "on the adapter's input", "5%", { default: "0%" }),
    field("targets", oneOf(words(adapterTargets), list(words(adapterTargets))), "where it sits", "[q_proj, v_proj]", {
      default: "all_linear",
    }),
  ],
  example: "adapter small { kind = lora, rank = 16, alpha = 32, targets = [q_proj, v_proj] }",
};
