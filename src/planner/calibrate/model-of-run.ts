/** Shape of a published run's model: the row's columns, and what its name implies that no column says. */
import { elementBytes } from "../bytes.js";
import type { AttentionShape, Gemm, LayerShape, ModelShape, MoeShape } from "../time/shape.js";
import type { Run } from "./run.js";

/** What columns lack, by family: shared experts, dense first layers, latent attention, head size. */
interface Family {
  readonly pattern: RegExp;
  readonly sharedFfn?: (moeFfn: number) => number;
  readonly denseLayers?: number;
  readonly latent?: {
    readonly q: number;
    readonly kv: number;
    readonly qk: number;
    readonly v: number;
    readonly rope: number;
  };
  readonly headDim?: number;
  readonly moeEvery?: number;
}
/** Hugging Face config.json of each, read 2026-11. */
const families: readonly Family[] = [
  {
    pattern: /deepseek.?v?3|deepseek.?r1/i,
    sharedFfn: (f) => f,
    denseLayers: 3,
    latent: { q: 1536, kv: 512, qk: 192, v: 128, rope: 64 },
  },
  {
    pattern: /deepseek.?v2.?lite|moonlight/i,
    sharedFfn: (f) => 2 * f,
    denseLayers: 1,
    latent: { q: 0, kv: 512, qk: 192, v: 128, rope: 64 },
  },
  {
    pattern: /deepseek.?v2/i,
    sharedFfn: (f) => 2 * f,
    denseLayers: 1,
    latent: { q: 1536, kv: 512, qk: 192, v: 128, rope: 64 },
  },
  {
    pattern: /kimi.?k2/i,
    sharedFfn: (f) => f,
    denseLayers: 1,
    latent: { q: 1536, kv: 512, qk: 192, v: 128, rope: 64 },
  },
  { pattern: /deepseek.?moe/i, sharedFfn: (f) => 2 * f, denseLayers: 1 },
  { pattern: /qwen3/i, headDim: 128 },
  { pattern: /qwen2.*57b|qwen1\.5.*moe/i, sharedFfn: (f) => 8 * f },
  { pattern: /llama.?4.*(scout|maverick)/i, sharedFfn: (f) => f },
  { pattern: /gemma/i, headDim: 256 },
  { pattern: /gpt.?oss/i, headDim: 64 },
];

export interface AdapterGuess {
  readonly rank: number;
  readonly targets: "attention" | "all";
}

export function adapterOf(run: Run): AdapterGuess | undefined {
  const method = (run.method ?? "").toLowerCase();
  if (!/lora/.test(method)) return undefined;
  const notes = run.notes ?? "";
  const rank = /(?:rank|\br)\s*[=:]?\s*(\d+)/i.exec(notes);
  // Megatron-Bridge's performance recipes adapt the joint query-key-value product only.
  const attention =
    /nemo|megatron/i.test(run.engine ?? "") || /q_proj.{0,12}v_proj(?!.*gate)|attention only|linear_qkv/i.test(notes);
  return { rank: rank === null ? 16 : Number(rank[1]), targets: attention ? "attention" : "all" };
}

export function modelOfRun(run: Run): ModelShape {
  const h = run.hidden!;
  const layers = run.layers!;
  const heads = run.heads ?? Math.max(1, Math.round(h / 128));
  const kvHeads = run.kv_heads ?? heads;
  const gated = run.gated_mlp ?? !/gpt|mpt|opt|bloom|falcon|nemotron|bert/i.test(run.model_name ?? "");
  const ffn = run.ffn ?? (gated ? Math.round((8 * h) / 3 / 256) * 256 : 4 * h);
  const vocab = run.vocab ?? 32000;
  const family = families.find((f) => f.pattern.test(run.model_name ?? ""));
  const experts = run.experts ?? 0;
  const tied = run.tied_embeddings ?? false;
  const adapter = adapterOf(run);
  const trainable = adapter === undefined;
  const stored = /qlora/i.test(run.method ?? "") ? elementBytes.nf4 : undefined;
  const dropout = /megatron/i.test(run.engine ?? "") ? dropoutOf(run) : false;

  const gemm = (op: string, inputs: number, outputs: number, split: Gemm["split"], copies = 1): Gemm => ({
    op,
    module: op.startsWith("attn") ? "attention" : copies > 1 ? "moe" : "mlp",
    inputs,
    outputs,
    split,
    copies,
    trainable,
    rank: adapter === undefined || (adapter.targets === "attention" && !op.startsWith("attn")) ? 0 : adapter.rank,
  });

  const headDim = family?.headDim ?? Math.max(1, Math.round(h / heads));
  const latent = family?.latent;
  const attention: AttentionShape = {
    heads,
    kvHeads: latent === undefined ? kvHeads : heads,
    qkDim: latent?.qk ?? headDim,
    vDim: latent?.v ?? headDim,
    window: 0,
    causal: true,
    latent: latent === undefined ? 0 : latent.q + latent.kv + latent.rope,
    op: "attn.core",
  };
  const attentionGemms =
    latent === undefined
      ? [
          gemm("attn.qkv_proj", h, (heads + 2 * kvHeads) * headDim, "out"),
          gemm("attn.o_proj", heads * headDim, h, "in"),
        ]
      : [
          gemm("attn.down", h, latent.q + latent.kv + latent.rope, "none"),
          gemm("attn.q_up", latent.q === 0 ? h : latent.q, heads * latent.qk, "out"),
          gemm("attn.kv_up", latent.kv, heads * (latent.qk - latent.rope + latent.v), "out"),
          gemm("attn.o_proj", heads * latent.v, h, "in"),
        ];
  const mlpGemms = (width: number, name: string): Gemm[] => [
    gemm(`${name}.up`, h, (gated ? 2 : 1) * width, "out"),
    gemm(`${name}.down`, width, h, "in"),
  ];
  const norms = 2 * h;
  const block = (kind: string, width: number, moe?: MoeShape): LayerShape => ({
    kind,
    role: "block",
    hidden: h,
    gemms: [
      ...attentionGemms,
      ...(width > 0 ? mlpGemms(width, "mlp") : []),
      ...(moe === undefined
        ? []
        : [
            { ...gemm("moe.router", h, moe.experts, "none"), rank: 0 },
            gemm("moe.experts_up", h, (gated ? 2 : 1) * moe.ffn, "out", moe.experts),
            gemm("moe.experts_down", moe.ffn, h, "in", moe.experts),
          ]),
    ],
    attention,
    ...(moe === undefined ? {} : { moe }),
    ffn: width,
    gated,
    dropout,
    vocab,
    small: norms,
    smallTrainable: trainable,
    table: 0,
    tableTrainable: trainable,
    ...(stored === undefined ? {} : { stored }),
  });
  const kinds: Record<string, LayerShape> = {
    embedding: {
      kind: "embedding",
      role: "embedding",
      hidden: h,
      gemms: [],
      ffn: 0,
      gated,
      dropout,
      vocab,
      small: 0,
      smallTrainable: trainable,
      table: vocab * h,
      tableTrainable: trainable,
    },
    head: {
      kind: "head",
      role: "head",
      hidden: h,
      gemms: [{ ...gemm("head.lm_head", h, vocab, "out"), module: "head", rank: 0 }],
      ffn: 0,
      gated,
      dropout,
      vocab,
      small: h,
      smallTrainable: trainable,
      table: 0,
      tableTrainable: trainable,
    },
  };
  let stack: string[];
  if (experts > 1) {
    const moeFfn = run.moe_ffn ?? ffn;
    const moe: MoeShape = { experts, topK: run.experts_per_token ?? 2, ffn: moeFfn, imbalance: 1, capacity: 0 };
    const dense = family?.denseLayers ?? 0;
    kinds.moe = block("moe", family?.sharedFfn?.(moeFfn) ?? 0, moe);
    if (dense > 0) kinds.dense = block("dense", ffn);
    stack = Array.from({ length: layers }, (_, i) => (i < dense ? "dense" : "moe"));
  } else {
    kinds.dense = block("dense", ffn);
    stack = Array.from({ length: layers }, () => "dense");
  }
  return {
    kinds,
    stack: ["embedding", ...stack, "head"],
    tied,
  };
}

/** GPT models of Megatron train with dropout unless told otherwise. */
function dropoutOf(run: Run): boolean {
  const notes = run.notes ?? "";
  const stated = /dropout[^;]*?(?:=|hidden=)\s*(?:default )?(0(?:\.\d+)?)\/?/i.exec(notes);
  if (stated !== null) return Number(stated[1]) > 0;
  return !(run.gated_mlp ?? false) && /gpt/i.test(run.model_name ?? "");
}
