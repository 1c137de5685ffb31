/** Small graphs, written by hand, so that these tests depend on the runtime alone. */
import type { LayerKind, ModelGraph, Op, OpKind, TensorSpec, WeightSpec } from "../../src/model/graph.js";

const op = (
  id: string,
  kind: OpKind,
  inputs: string[],
  outputs: string[],
  weights: string[] = [],
  attrs: Op["attrs"] = {},
): Op => ({
  id,
  kind,
  module: "mlp",
  inputs,
  outputs,
  weights,
  saves: [],
  flopsPerToken: 0,
  flopsPerTokenPair: 0,
  backwardRatio: 2,
  attrs,
  splitBy: "none",
});
const weight = (name: string, shape: number[], more: Partial<WeightSpec> = {}): [string, WeightSpec] => [
  name,
  {
    name,
    shape,
    split: {},
    trainable: true,
    decay: shape.length > 1,
    init: shape.length > 1 ? { kind: "normal", std: 0.2 } : { kind: "ones" },
    copies: 1,
    ...more,
  },
];
const kindOf = (id: string, input: string, output: string, ops: Op[], weights: [string, WeightSpec][]): LayerKind => ({
  id,
  ops,
  tensors: {} as Record<string, TensorSpec>,
  weights: Object.fromEntries(weights),
  input,
  output,
});

export interface Tiny {
  readonly vocab: number;
  readonly hidden: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly ffn: number;
  readonly layers: number;
  readonly cap?: number;
  readonly window?: number;
  /** Spread of the initial matrices; 0.2 unless given. */
  readonly std?: number;
  /** GPT-2: one matrix for embedding and head, as published ones have. */
  readonly tied?: boolean;
}

/** Llama: RMSNorm, RoPE, grouped heads, SwiGLU, tied head. */
export function llama(t: Tiny): ModelGraph {
  const dim = t.hidden / t.heads;
  const p = "model.layers.{layer}.";
  const W = (n: string) => `${p}${n}.weight`;
  const rope = { headDim: dim, theta: 10000, fraction: 1 };
  const cap = t.cap ?? 0;
  const attention = {
    heads: t.heads,
    kvHeads: t.kvHeads,
    headDim: dim,
    causal: true,
    softcap: cap,
    window: t.window ?? 0,
  };
  const dense = kindOf(
    "dense",
    "x",
    "out",
    [
      op("attn.norm", "norm", ["x"], ["n1"], [W("input_layernorm")], { eps: 1e-5 }),
      op("attn.q_proj", "linear", ["n1"], ["q"], [W("q")]),
      op("attn.k_proj", "linear", ["n1"], ["k"], [W("k")]),
      op("attn.v_proj", "linear", ["n1"], ["v"], [W("v")]),
      op("attn.rope", "rope", ["q", "k"], ["qr", "kr"], [], rope),
      op("attn.core", "attention", ["qr", "kr", "v"], ["o"], [], attention),
      op("attn.o_proj", "linear", ["o"], ["a"], [W("o")]),
      op("attn.add", "add", ["x", "a"], ["h"]),
      op("mlp.norm", "norm", ["h"], ["n2"], [W("post_attention_layernorm")], { eps: 1e-5 }),
      op("mlp.gate", "linear", ["n2"], ["g"], [W("gate")]),
      op("mlp.up", "linear", ["n2"], ["u"], [W("up")]),
      op("mlp.act", "gated_activation", ["g", "u"], ["m"], [], { activation: "silu" }),
      op("mlp.down", "linear", ["m"], ["d"], [W("down")]),
      op("mlp.add", "add", ["h", "d"], ["out"]),
    ],
    [
      weight(W("input_layernorm"), [t.hidden]),
      weight(W("q"), [t.hidden, t.hidden]),
      weight(W("k"), [t.kvHeads * dim, t.hidden]),
      weight(W("v"), [t.kvHeads * dim, t.hidden]),
      weight(W("o"), [t.hidden, t.hidden]),
      weight(W("post_attention_layernorm"), [t.hidden]),
      weight(W("gate"), [t.ffn, t.hidden]),
      weight(W("up"), [t.ffn, t.hidden]),
      weight(W("down"), [t.hidden, t.ffn]),
    ],
  );
  const embed = "model.embed_tokens.weight";
  const embedding = kindOf(
    "embedding",
    "tokens",
    "x",
    [op("embed", "embedding", ["tokens"], ["x"], [embed])],
    [weight(embed, [t.vocab, t.hidden])],
  );
  const head = kindOf(
    "head",
    "x",
    "loss",
    [
      op("norm", "norm", ["x"], ["n"], ["model.norm.weight"], { eps: 1e-5 }),
      op("lm_head", "linear", ["n"], ["logits"], ["lm_head.weight"]),
      ...(cap > 0 ? [op("cap", "softcap", ["logits"], ["capped"], [], { cap })] : []),
      op("loss", "cross_entropy", [cap > 0 ? "capped" : "logits"], ["loss"]),
    ],
    [weight("model.norm.weight", [t.hidden]), weight("lm_head.weight", [t.vocab, t.hidden], { tiedTo: embed })],
  );
  return graphOf("llama", t, { embedding, dense, head });
}

/** GPT-2: LayerNorm, learned positions, biases, transposed matrices, GELU. */
export function gpt2(t: Tiny): ModelGraph {
  const dim = t.hidden / t.heads;
  const W = (n: string) => `h.{layer}.${n}`;
  const norm = { norm: "layernorm", eps: 1e-5 };
  const linear = (id: string, from: string, to: string, name: string): Op =>
    op(id, "linear", [from], [to], [W(`${name}.weight`), W(`${name}.bias`)], { transposed: true });
  const pair = (name: string, shape: [number, number]): [string, WeightSpec][] => [
    weight(W(`${name}.weight`), shape),
    weight(W(`${name}.bias`), [shape[1]], { init: { kind: "zeros" } }),
  ];
  const lnorm = (name: string): [string, WeightSpec][] => [
    weight(`${name}.weight`, [t.hidden]),
    weight(`${name}.bias`, [t.hidden], { init: { kind: "zeros" } }),
  ];
  const dense = kindOf(
    "dense",
    "x",
    "out",
    [
      op("attn.norm", "norm", ["x"], ["n1"], [W("ln_1.weight"), W("ln_1.bias")], norm),
      linear("attn.q_proj", "n1", "q", "q"),
      linear("attn.k_proj", "n1", "k", "k"),
      linear("attn.v_proj", "n1", "v", "v"),
      op("attn.core", "attention", ["q", "k", "v"], ["o"], [], { heads: t.heads, headDim: dim, causal: true }),
      linear("attn.o_proj", "o", "a", "o"),
      op("attn.add", "add", ["x", "a"], ["h"]),
      op("mlp.norm", "norm", ["h"], ["n2"], [W("ln_2.weight"), W("ln_2.bias")], norm),
      linear("mlp.up", "n2", "u", "up"),
      op("mlp.act", "activation", ["u"], ["m"], [], { activation: "gelu_tanh" }),
      linear("mlp.down", "m", "d", "down"),
      op("mlp.add", "add", ["h", "d"], ["out"]),
    ],
    [
      ...lnorm(W("ln_1")),
      ...["q", "k", "v", "o"].flatMap((n) => pair(n, [t.hidden, t.hidden])),
      ...lnorm(W("ln_2")),
      ...pair("up", [t.hidden, t.ffn]),
      ...pair("down", [t.ffn, t.hidden]),
    ],
  );
  const embedding = kindOf(
    "embedding",
    "tokens",
    "x",
    [
      op("wte", "embedding", ["tokens"], ["e"], ["wte.weight"]),
      op("wpe", "embedding", ["positions"], ["p"], ["wpe.weight"]),
      op("add", "add", ["e", "p"], ["x"]),
    ],
    [weight("wte.weight", [t.vocab, t.hidden]), weight("wpe.weight", [64, t.hidden])],
  );
  const head = kindOf(
    "head",
    "x",
    "loss",
    [
      op("norm", "norm", ["x"], ["n"], ["ln_f.weight", "ln_f.bias"], norm),
      op("lm_head", "linear", ["n"], ["logits"], ["lm_head.weight"]),
      op("loss", "cross_entropy", ["logits"], ["loss"]),
    ],
    [...lnorm("ln_f"), weight("lm_head.weight", [t.vocab, t.hidden], t.tied === true ? { tiedTo: "wte.weight" } : {})],
  );
  return graphOf("gpt2", t, { embedding, dense, head });
}

function graphOf(architecture: string, t: Tiny, kinds: Record<string, LayerKind>): ModelGraph {
  for (const kind of Object.values(kinds))
    for (const [name, spec] of Object.entries(kind.weights))
      if (t.std !== undefined && spec.init.kind === "normal")
        (kind.weights as Record<string, WeightSpec>)[name] = { ...spec, init: { kind: "normal", std: t.std } };
  return {
    schema: "llmp.graph/1",
    model: architecture,
    architecture,
    kinds,
    stack: ["embedding", ...Array.from({ length: t.layers }, () => "dense"), "head"],
    parameters: 0,
    activeParameters: 0,
    trainableParameters: 0,
    kvBytesPerToken: 0,
    hidden: t.hidden,
    vocab: t.vocab,
  };
}
