/** Attention: grouped-query (Ainslie et al. 2023) with its variants, and multi-head latent attention (DeepSeek-V2). */
import type { ModelSpec } from "../../checker/pipeline.js";
import type { LayerBuilder } from "../builder.js";
import type { Op } from "../graph.js";

export function ropeAttrs(m: ModelSpec, headDim: number, sliding: boolean): Op["attrs"] {
  const theta = sliding && m.slidingRopeTheta !== undefined ? m.slidingRopeTheta.value : m.ropeTheta.value;
  const s = sliding && m.slidingRopeTheta !== undefined ? undefined : m.ropeScaling?.value;
  return {
    headDim,
    theta,
    fraction: m.ropeFraction.value,
    ...(s === undefined
      ? {}
      : {
          scaling: s.kind,
          factor: s.factor,
          originalContext: s.originalContext,
          lowFrequencyFactor: s.lowFrequencyFactor ?? 1,
          highFrequencyFactor: s.highFrequencyFactor ?? 4,
          ...(s.kind === "yarn"
            ? {
                betaFast: s.betaFast ?? 32,
                betaSlow: s.betaSlow ?? 1,
                mscale: s.mscale ?? 0,
                mscaleAllDim: s.mscaleAllDim ?? 0,
              }
            : {}),
        }),
  };
}

/** Where checkpoints keep queries, keys and values as one module, in this order. */
const fusedModule: Readonly<Record<string, string>> = { gpt2: "attn.c_attn", phi3: "self_attn.qkv_proj" };

export function attention(b: LayerBuilder, m: ModelSpec, x: string, prefix: string, sliding: boolean): string {
  b.module = "attention";
  const [h, heads, kvHeads, dim] = [m.hidden.value, m.heads.value, m.kvHeads.value, m.headDim.value];
  const core = {
    heads,
    kvHeads,
    headDim: dim,
    causal: true,
    window: sliding ? (m.slidingWindow?.value ?? 0) : 0,
    softcap: m.attentionSoftcap?.value ?? 0,
    scale: 1 / Math.sqrt(m.queryScale?.value ?? dim),
  };
  if (m.mla !== undefined) return latent(b, m, x, prefix, { ...core, kvHeads: heads });
  const gpt2 = m.architecture.value === "gpt2";
  const bias = m.attentionBias.value !== "none";
  const names = gpt2
    ? ["attn.q", "attn.k", "attn.v", "attn.c_proj"]
    : [
        "self_attn.q_proj",
        "self_attn.k_proj",
        "self_attn.v_proj",
        m.architecture.value === "phi" ? "self_attn.dense" : "self_attn.o_proj",
      ];
  const whole = fusedModule[m.architecture.value];
  const size = (heads + 2 * kvHeads) * dim;
  const one = (id: string, name: string, width: number, start: number): string =>
    b.linear(id, x, `${prefix}${name}`, h, width, {
      split: "out",
      bias,
      transposed: gpt2,
      ...(whole === undefined ? {} : { part: { of: `${prefix}${whole}`, start, size } }),
    });
  let q = one("attn.q_proj", names[0]!, heads * dim, 0);
  let k = one("attn.k_proj", names[1]!, kvHeads * dim, heads * dim);
  const v = one("attn.v_proj", names[2]!, kvHeads * dim, (heads + kvHeads) * dim);
  if (m.qkNorm.value !== "none") {
    const full = m.qkNorm.value === "full";
    const attrs = {
      eps: m.normEps.value,
      norm: "rmsnorm",
      ...(/^gemma/.test(m.architecture.value) ? { offset: 1 } : {}),
      ...(full ? {} : { headDim: dim }),
    };
    q = b.norm("attn.q_norm", q, `${prefix}self_attn.q_norm`, full ? heads * dim : dim, attrs, false);
    k = b.norm("attn.k_norm", k, `${prefix}self_attn.k_norm`, full ? kvHeads * dim : dim, attrs, false);
  }
  if (m.position.value === "rope") {
    const outputs = [
      b.tensor("attn.q_rope", heads * dim, "tokens", { tensor: 1 }),
      b.tensor("attn.k_rope", kvHeads * dim, "tokens", { tensor: 1 }),
    ];
    b.op({
      id: "attn.rope",
      kind: "rope",
      inputs: [q, k],
      outputs,
      attrs: ropeAttrs(m, dim, sliding),
      splitBy: "tensor",
    });
    [q, k] = outputs as [string, string];
  }
  const out = flash(b, q, k, v, core, heads * dim);
  return b.linear("attn.o_proj", out, `${prefix}${names[3]}`, heads * dim, h, {
    split: "in",
    bias: m.attentionBias.value === "all",
    transposed: gpt2,
  });
}

/** Flash attention keeps q, k, v, its output and the log-sum-exp of each row (Dao 2023). */
function flash(
  b: LayerBuilder,
  q: string,
  k: string,
  v: string,
  attrs: Op["attrs"] & { heads: number; headDim: number },
  width: number,
): string {
  const out = b.tensor("attn.out", width, "tokens", { tensor: 1 });
  const lse = b.tensor("attn.lse", attrs.heads, "tokens", { tensor: 1 }, "fp32");
  b.op({
    id: "attn.core",
    kind: "attention",
    inputs: [q, k, v],
    outputs: [out],
    saves: [q, k, v, out, lse],
    flopsPerTokenPair: 2 * attrs.heads * attrs.headDim + 2 * width,
    backwardRatio: 2.5,
    attrs,
    splitBy: "tensor",
  });
  return out;
}

function latent(
  b: LayerBuilder,
  m: ModelSpec,
  x: string,
  prefix: string,
  core: Op["attrs"] & { heads: number },
): string {
  const mla = m.mla!;
  const h = m.hidden.value;
  const { heads } = core;
  const [qRank, kvRank, rope, nope, value] = [
    mla.qRank.value,
    mla.kvRank.value,
    mla.ropeHeadDim.value,
    mla.nopeHeadDim.value,
    mla.valueHeadDim.value,
  ];
  const norm = { eps: m.normEps.value, norm: "rmsnorm" };
  // DeepSeek's attention is sharper in an extended context, by YaRN's temperature squared.
  const { factor = 1, mscaleAllDim = 0 } = m.ropeScaling?.value ?? {};
  const sharper = mscaleAllDim > 0 && factor > 1 ? 0.1 * mscaleAllDim * Math.log(factor) + 1 : 1;
  const at = `${prefix}self_attn.`;
  const qDim = nope + rope;
  let q: string;
  if (qRank > 0) {
    const low = b.linear("attn.q_a_proj", x, `${at}q_a_proj`, h, qRank);
    const normed = b.norm("attn.q_a_norm", low, `${at}q_a_layernorm`, qRank, norm, false);
    q = b.linear("attn.q_b_proj", normed, `${at}q_b_proj`, qRank, heads * qDim, { split: "out" });
  } else q = b.linear("attn.q_proj", x, `${at}q_proj`, h, heads * qDim, { split: "out" });
  // The compressed row holds the latent and the shared rotary key; the norm reads the latent part only.
  const low = b.linear("attn.kv_a_proj", x, `${at}kv_a_proj_with_mqa`, h, kvRank + rope);
  const normed = b.norm("attn.kv_a_norm", low, `${at}kv_a_layernorm`, kvRank, { ...norm, width: kvRank }, false);
  const kv = b.linear("attn.kv_b_proj", normed, `${at}kv_b_proj`, kvRank, heads * (nope + value), { split: "out" });
  const outputs = [
    b.tensor("attn.q_rope", heads * qDim, "tokens", { tensor: 1 }),
    b.tensor("attn.k_rope", heads * qDim, "tokens", { tensor: 1 }),
    b.tensor("attn.v", heads * value, "tokens", { tensor: 1 }),
  ];
  b.op({
    id: "attn.rope",
    kind: "rope",
    inputs: [q, kv, low],
    outputs,
    attrs: { ...ropeAttrs(m, qDim, false), latent: true, start: nope, valueDim: value },
    splitBy: "tensor",
  });
  const out = flash(
    b,
    outputs[0]!,
    outputs[1]!,
    outputs[2]!,
    { ...core, headDim: qDim, valueDim: value, scale: sharper ** 2 / Math.sqrt(qDim) },
    heads * value,
  );
  return b.linear("attn.o_proj", out, `${at}o_proj`, heads * value, h, { split: "in" });
}
