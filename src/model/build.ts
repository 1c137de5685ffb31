/** ModelSpec → ModelGraph: embedding, decoder layers by kind, head. */
import type { ModelSpec } from "../checker/pipeline.js";
import { attention } from "./blocks/attention.js";
import { mlp, moe } from "./blocks/mlp.js";
import { type BuildOptions, LayerBuilder } from "./builder.js";
import type { LayerKind, ModelGraph, WeightSpec } from "./graph.js";
import { cacheOf } from "./objective.js";

export function buildGraph(m: ModelSpec, options: BuildOptions = {}): ModelGraph {
  const kinds: Record<string, LayerKind> = { embedding: embedding(m, options) };
  const stack = ["embedding"];
  for (let layer = 0; layer < m.layers.value; layer++) {
    const pattern = m.slidingPattern.value;
    const sliding = m.slidingWindow !== undefined && (pattern <= 1 || (layer + 1) % pattern !== 0);
    const routed = m.moe !== undefined && layer >= m.moe.denseLayers.value && layer % m.moe.moeEvery.value === 0;
    const id = `${routed ? "moe" : "dense"}${m.slidingWindow !== undefined ? (sliding ? "_sliding" : "_full") : ""}`;
    kinds[id] ??= decoder(m, id, sliding, routed, options);
    stack.push(id);
  }
  kinds.head = head(m, options);
  stack.push("head");
  let parameters = 0;
  let trainable = 0;
  let active = 0;
  for (const id of stack) {
    for (const w of Object.values(kinds[id]!.weights)) {
      if (w.tiedTo !== undefined) continue;
      const size = sizeOf(w);
      parameters += size * w.copies;
      if (w.trainable) trainable += size * w.copies;
      active += size * (w.copies > 1 ? Math.min(w.copies, m.moe?.expertsPerToken.value ?? 1) : 1);
    }
  }
  const cached = stack.reduce((sum, id) => sum + cacheOf(kinds[id]!, "latent").elements, 0);
  return {
    schema: "llmp.graph/1",
    model: m.name,
    architecture: m.architecture.value,
    kinds,
    stack,
    parameters,
    activeParameters: active,
    trainableParameters: trainable,
    kvBytesPerToken: 2 * cached,
    hidden: m.hidden.value,
    vocab: m.vocab.value,
  };
}

const sizeOf = (w: WeightSpec): number => w.shape.reduce((a, b) => a * b, 1);
const isGpt2 = (m: ModelSpec): boolean => m.architecture.value === "gpt2";
const prefixOf = (m: ModelSpec): string => (isGpt2(m) ? "transformer.h.{layer}." : "model.layers.{layer}.");
const embedName = (m: ModelSpec): string => (isGpt2(m) ? "transformer.wte.weight" : "model.embed_tokens.weight");
/** Gemma 1–3 store norm weights as an offset from 1. */
const normAttrs = (m: ModelSpec): Record<string, number | string> => ({
  norm: m.norm.value,
  eps: m.normEps.value,
  ...(/^gemma/.test(m.architecture.value) ? { offset: 1 } : {}),
});

function embedding(m: ModelSpec, options: BuildOptions): LayerKind {
  const b = new LayerBuilder("embedding", options);
  b.module = "embedding";
  const h = m.hidden.value;
  b.tensor("tokens", 1, "tokens", {}, "int32");
  const table = b.weight(embedName(m), [m.vocab.value, h], { split: { tensor: 0 } });
  let x = b.tensor("embed", h, "tokens", { sequence: 0 });
  b.op({
    id: "embed",
    kind: "embedding",
    inputs: ["tokens"],
    outputs: [x],
    weights: [table],
    saves: b.trains([table]) ? ["tokens"] : [],
    splitBy: "tensor",
  });
  if (m.position.value === "learned") {
    b.tensor("positions", 1, "tokens", {}, "int32");
    const positions = b.weight("transformer.wpe.weight", [m.contextLength.value, h]);
    const p = b.tensor("position", h, "tokens", { sequence: 0 });
    b.op({
      id: "position",
      kind: "embedding",
      inputs: ["positions"],
      outputs: [p],
      weights: [positions],
      saves: b.trains([positions]) ? ["positions"] : [],
    });
    x = b.add("x", x, p, h);
  }
  if (m.scaleEmbeddings.value) {
    const scaled = b.tensor("scaled", h, "tokens", { sequence: 0 });
    b.op({ id: "scale", kind: "scale", inputs: [x], outputs: [scaled], attrs: { factor: Math.sqrt(h) } });
    x = scaled;
  }
  return b.done("tokens", b.dropout("embed.dropout", x, h, m.dropout.value));
}

function decoder(m: ModelSpec, id: string, sliding: boolean, routed: boolean, options: BuildOptions): LayerKind {
  const b = new LayerBuilder(id, options);
  const h = m.hidden.value;
  const prefix = prefixOf(m);
  const norm = (name: string, x: string, weight: string): string =>
    b.norm(name, x, `${prefix}${weight}`, h, normAttrs(m), m.normBias.value);
  const rate = m.dropout.value;
  const attend = (x: string): string => b.dropout("attn.dropout", attention(b, m, x, prefix, sliding), h, rate);
  const feed = (x: string): string =>
    b.dropout("mlp.dropout", routed ? moe(b, m, x, prefix) : mlp(b, m, x, prefix), h, rate);
  const x = b.tensor("x", h, "tokens", { sequence: 0 });
  const placement = m.normPlacement.value;
  const [first, second] = isGpt2(m) ? ["ln_1", "ln_2"] : ["input_layernorm", "post_attention_layernorm"];
  if (m.parallelBlock.value) {
    const n = norm("norm", x, first!);
    const a = attend(n);
    return b.done("x", b.add("out", b.add("attn.sum", x, a, h), feed(n), h));
  }
  let a = attend(placement === "post" ? x : norm("attn.norm", x, first!));
  if (placement !== "pre") a = norm("attn.post_norm", a, "post_attention_layernorm");
  const middle = b.add("attn.sum", x, a, h);
  const before = placement === "sandwich" ? "pre_feedforward_layernorm" : second!;
  let f = feed(placement === "post" ? middle : norm("mlp.norm", middle, before));
  if (placement !== "pre") f = norm("mlp.post_norm", f, "post_feedforward_layernorm");
  return b.done("x", b.add("out", middle, f, h));
}

function head(m: ModelSpec, options: BuildOptions): LayerKind {
  const b = new LayerBuilder("head", options);
  b.module = "head";
  const h = m.hidden.value;
  const x = b.tensor("x", h, "tokens", { sequence: 0 });
  const name = isGpt2(m) ? "transformer.ln_f" : m.architecture.value === "phi" ? "model.final_layernorm" : "model.norm";
  const n = b.norm("norm", x, name, h, normAttrs(m), m.normBias.value);
  b.module = "head";
  const projection = b.weight("lm_head.weight", [m.vocab.value, h], {
    split: { tensor: 0 },
    ...(m.tiedEmbeddings.value ? { tiedTo: embedName(m) } : {}),
  });
  const weights = m.headBias.value
    ? [projection, b.weight("lm_head.bias", [m.vocab.value], { split: { tensor: 0 } })]
    : [projection];
  let logits = b.tensor("logits", m.vocab.value, "tokens", { tensor: 1 });
  b.op({
    id: "lm_head",
    kind: "linear",
    inputs: [n],
    outputs: [logits],
    weights,
    saves: b.trains(weights) ? [n] : [],
    flopsPerToken: 2 * h * m.vocab.value,
    splitBy: "tensor",
  });
  if (m.finalSoftcap !== undefined) {
    const capped = b.tensor("capped", m.vocab.value, "tokens", { tensor: 1 });
    b.op({
      id: "softcap",
      kind: "softcap",
      inputs: [logits],
      outputs: [capped],
      saves: [capped],
      attrs: { cap: m.finalSoftcap.value },
      splitBy: "tensor",
    });
    logits = capped;
  }
  b.tensor("loss", 1, "tokens", {}, "fp32");
  b.op({ id: "loss", kind: "cross_entropy", inputs: [logits], outputs: ["loss"], saves: [logits], splitBy: "tensor" });
  return b.done("x", "loss");
}
