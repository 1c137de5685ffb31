import { modelCodes } from "../../diagnostics/index.js";
import type { Context } from "../context.js";
import { boolOf, fixedValue, known, numberOf, present, textOf } from "../known.js";
import { rebase } from "../paths.js";
import type { Known, MlaSpec, ModelSpec, MoeSpec, RopeScaling } from "../pipeline.js";
import type { Declared } from "../scope.js";
import type { Fields } from "../typed.js";
import { familyDefaults, moeDefaults, moeFallback } from "./families.js";

/** `undefined`: a key that nothing can stand in for is missing or wrong (reported). */
export function modelSpec(fields: Fields, declared: Declared, context: Context): ModelSpec | undefined {
  const architecture = textOf(fields, "architecture");
  const required = ["layers", "hidden", "heads", "ffn", "vocab", "context_length"].map((key) => numberOf(fields, key));
  const [layers, hidden, heads, ffn, vocab, contextLength] = required;
  if (!architecture || !layers || !hidden || !heads || !ffn || !vocab || !contextLength) return undefined;
  const family = familyDefaults[architecture.value] ?? familyDefaults.llama;
  if (family === undefined) throw new Error("the llama family has no defaults");

  const mla = mlaSpec(fields, context);
  const moe = moeSpec(fields, architecture.value, ffn, context);
  const headDim =
    numberOf(fields, "head_dim") ??
    known(mla === undefined ? hidden.value / heads.value : mla.nopeHeadDim.value + mla.ropeHeadDim.value);
  const flag = (key: string, initial: boolean): Known<boolean> => boolOf(fields, key) ?? known(initial);
  const number = (key: string, initial: number): Known<number> => numberOf(fields, key) ?? known(initial);
  const word = <T extends string>(key: string, initial: T): Known<T> => textOf<T>(fields, key) ?? known(initial);
  const weights = textOf(fields, "weights");

  return present<ModelSpec>({
    name: declared.name,
    span: declared.block.name?.span,
    architecture,
    layers,
    hidden,
    heads,
    kvHeads: numberOf(fields, "kv_heads") ?? known(heads.value),
    headDim,
    ffn,
    vocab,
    contextLength,
    activation: word("activation", family.activation),
    gatedMlp: flag("gated_mlp", family.gatedMlp),
    norm: word("norm", family.norm),
    normEps: number("norm_eps", family.normEps),
    normPlacement: word("norm_placement", family.normPlacement),
    qkNorm: word("qk_norm", family.qkNorm),
    position: word("position", family.position),
    ropeTheta: number("rope_theta", family.ropeTheta),
    ropeFraction: number("rope_fraction", family.ropeFraction),
    ropeScaling: ropeScaling(fields),
    tiedEmbeddings: flag("tied_embeddings", family.tiedEmbeddings),
    attentionBias: word("attention_bias", family.attentionBias),
    mlpBias: flag("mlp_bias", family.mlpBias),
    headBias: flag("head_bias", family.headBias),
    normBias: flag("norm_bias", family.normBias),
    parallelBlock: flag("parallel_block", family.parallelBlock),
    slidingWindow: numberOf(fields, "sliding_window"),
    slidingPattern: number("sliding_pattern", family.slidingPattern),
    slidingRopeTheta: numberOf(fields, "sliding_rope_theta"),
    attentionSoftcap: numberOf(fields, "attention_softcap"),
    finalSoftcap: numberOf(fields, "final_softcap"),
    scaleEmbeddings: flag("scale_embeddings", family.scaleEmbeddings),
    queryScale: numberOf(fields, "query_scale"),
    dropout: number("dropout", family.dropout),
    moe,
    mla,
    weights:
      weights === undefined
        ? undefined
        : { ...weights, value: rebase(weights.value, declared.file.path, context.rootFile) },
  });
}

function ropeScaling(fields: Fields): Known<RopeScaling> | undefined {
  const read = fixedValue(fields, "rope_scaling");
  if (read?.kind !== "variant") return undefined;
  const inner = (key: string): number | undefined => numberOf(read.fields, key)?.value;
  const [factor, originalContext] = [inner("factor"), inner("original_context")];
  if (factor === undefined || originalContext === undefined) return undefined;
  const value = present<RopeScaling>({
    kind: read.name as RopeScaling["kind"],
    factor,
    originalContext,
    lowFrequencyFactor: inner("low_frequency_factor"),
    highFrequencyFactor: inner("high_frequency_factor"),
    betaFast: inner("beta_fast"),
    betaSlow: inner("beta_slow"),
    mscale: inner("mscale"),
    mscaleAllDim: inner("mscale_all_dim"),
  });
  return known(value, fields.map.get("rope_scaling")?.from, read.span);
}

const moeKeys = [
  "experts_per_token",
  "shared_experts",
  "moe_ffn",
  "shared_ffn",
  "dense_layers",
  "moe_every",
  "capacity_factor",
  "aux_loss",
  "balancing",
  "router_score",
  "norm_topk",
  "routed_scale",
  "expert_groups",
  "groups_per_token",
  "shared_gate",
  "imbalance",
];

function moeSpec(fields: Fields, architecture: string, ffn: Known<number>, context: Context): MoeSpec | undefined {
  const experts = numberOf(fields, "experts");
  const stray = moeKeys.find((key) => fields.map.has(key));
  if (experts === undefined) {
    if (stray !== undefined && !fields.failed.has("experts")) {
      context.report(
        modelCodes.report(
          "LLMP3026",
          fields.map.get(stray)?.keySpan,
          { what: `\`${stray}\` needs \`experts\`` },
          {
            hints: ["`experts = 8` makes the model a Mixture of Experts"],
          },
        ),
      );
    }
    return undefined;
  }
  const family = moeDefaults[architecture] ?? moeFallback;
  const perToken = numberOf(fields, "experts_per_token");
  if (perToken === undefined) {
    if (!fields.failed.has("experts_per_token"))
      context.report(
        modelCodes.report(
          "LLMP3026",
          fields.map.get("experts")?.keySpan,
          { what: "`experts` needs `experts_per_token`" },
          {
            hints: ["how many experts each token uses, for example `experts_per_token = 2`"],
          },
        ),
      );
    return undefined;
  }
  const number = (key: string, initial: number): Known<number> => numberOf(fields, key) ?? known(initial);
  const word = <T extends string>(key: string, initial: T): Known<T> => textOf<T>(fields, key) ?? known(initial);
  const moeFfn = numberOf(fields, "moe_ffn") ?? known(ffn.value);
  const sharedExperts = number("shared_experts", family.sharedExperts);
  return present<MoeSpec>({
    experts,
    expertsPerToken: perToken,
    sharedExperts,
    moeFfn,
    sharedFfn: number("shared_ffn", sharedExperts.value * moeFfn.value),
    denseLayers: number("dense_layers", family.denseLayers),
    moeEvery: number("moe_every", family.moeEvery),
    capacityFactor: numberOf(fields, "capacity_factor"),
    auxLoss: number("aux_loss", family.auxLoss),
    balancing: word("balancing", family.balancing),
    routerScore: word("router_score", family.routerScore),
    normTopk: boolOf(fields, "norm_topk") ?? known(family.normTopk),
    routedScale: number("routed_scale", family.routedScale),
    groups: number("expert_groups", family.groups),
    groupsPerToken: number("groups_per_token", family.groupsPerToken),
    sharedGate: boolOf(fields, "shared_gate") ?? known(family.sharedGate),
    imbalance: number("imbalance", family.imbalance),
  });
}

const mlaKeys = ["kv_rank", "rope_head_dim", "nope_head_dim", "value_head_dim"];

function mlaSpec(fields: Fields, context: Context): MlaSpec | undefined {
  const [kvRank, ropeHeadDim, nopeHeadDim, valueHeadDim] = mlaKeys.map((key) => numberOf(fields, key));
  const written = mlaKeys.concat("q_rank").find((key) => fields.map.has(key));
  if (written === undefined) return undefined;
  if (!kvRank || !ropeHeadDim || !nopeHeadDim || !valueHeadDim) {
    for (const key of mlaKeys) {
      if (!fields.map.has(key) && !fields.failed.has(key))
        context.report(modelCodes.report("LLMP3027", fields.map.get(written)?.keySpan, { key }));
    }
    return undefined;
  }
  return { qRank: numberOf(fields, "q_rank") ?? known(0), kvRank, ropeHeadDim, nopeHeadDim, valueHeadDim };
}
