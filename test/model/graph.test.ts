/** The op graph of every bundled model: data flow, shapes, FLOPs, and what adapters and freezing do to it. */
import { describe, expect, test } from "vitest";
import { families, type ModelSpec } from "../../src/checker/index.js";
import type { Dim, LayerKind, ModelGraph, Op } from "../../src/model/graph.js";
import { attended, buildGraph, figuresOf, forwardFlops } from "../../src/model/index.js";
import { checkFile, checkText } from "../checker/helpers.js";

const models = families.flatMap((family) => Object.entries(checkFile(`std/${family}.llmp`).value?.models ?? {}));
const std = (name: string): ModelSpec => models.find(([n]) => n === name)?.[1] as ModelSpec;

const width = (kind: LayerKind, id: string): Dim | undefined => kind.tensors[id]?.shape.at(-1);
const opOf = (kind: LayerKind, id: string): Op => {
  const op = kind.ops.find((o) => o.id === id);
  if (op === undefined) throw new Error(`${kind.id} has no ${id}`);
  return op;
};
const elements = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

describe.each(models)("%s", (_, spec) => {
  const graph = buildGraph(spec);

  test("every input is made before it is read, everything made is read, ids are unique", () => {
    for (const kind of Object.values(graph.kinds)) {
      const made = new Set([kind.input, "positions"]);
      for (const op of kind.ops) {
        for (const id of op.inputs) expect(made, `${kind.id}/${op.id} reads ${id}`).toContain(id);
        for (const id of op.outputs) {
          expect(made).not.toContain(id);
          made.add(id);
          expect(kind.tensors).toHaveProperty([id]);
        }
        // What is kept is known by then: inputs, outputs, or the op's own internals.
        for (const id of op.saves) expect(kind.tensors).toHaveProperty([id]);
      }
      const read = new Set([...kind.ops.flatMap((op) => op.inputs), kind.output]);
      for (const op of kind.ops) for (const id of op.outputs) expect(read, `nobody reads ${id}`).toContain(id);
      expect(new Set(kind.ops.map((op) => op.id)).size).toBe(kind.ops.length);
      const used = new Set(kind.ops.flatMap((op) => op.weights));
      const spare = Object.keys(kind.weights).filter((name) => !used.has(name));
      expect(spare.every((name) => name.endsWith("e_score_correction_bias"))).toBe(true);
    }
  });

  test("shapes agree along every op, and FLOPs are two for each weight and token", () => {
    for (const kind of Object.values(graph.kinds)) {
      for (const op of kind.ops) {
        const weights = op.weights.map((name) => kind.weights[name]);
        const [w] = weights;
        const [x] = op.inputs;
        const [y] = op.outputs;
        if (op.kind === "linear" || op.kind === "grouped_linear" || op.kind === "router") {
          const [out, input] = op.attrs.transposed === true ? [...(w?.shape ?? [])].reverse() : (w?.shape ?? []);
          expect([width(kind, x as string), width(kind, y as string)], op.id).toEqual([input, out]);
          const used = (w?.copies ?? 1) > 1 ? Number(op.attrs.topK) : 1;
          expect(op.flopsPerToken, op.id).toBe(2 * elements(w?.shape ?? []) * used);
        } else expect(op.flopsPerToken).toBe(0);
        if (op.kind === "add" || op.kind === "gated_activation")
          for (const id of op.inputs) expect(width(kind, id), op.id).toBe(width(kind, y as string));
        if (op.kind === "attention") {
          const { heads, kvHeads, headDim, valueDim } = op.attrs as Record<string, number>;
          const widths = op.inputs.map((id) => width(kind, id));
          expect(widths).toEqual([heads! * headDim!, kvHeads! * headDim!, kvHeads! * (valueDim ?? headDim!)]);
          expect(op.flopsPerTokenPair).toBe(2 * heads! * (headDim! + (valueDim ?? headDim!)));
        }
      }
      if (kind.id === "embedding" || kind.id === "head") continue;
      expect(width(kind, kind.input)).toBe(width(kind, kind.output));
    }
  });

  test("forward FLOPs are twice the active matrices and the attention's, by hand", () => {
    const length = 4096;
    const layers = spec.layers.value;
    let flops = 2 * activeMatrices(spec);
    for (let layer = 0; layer < layers; layer++) {
      const pattern = spec.slidingPattern.value;
      const slides = spec.slidingWindow !== undefined && (pattern <= 1 || (layer + 1) % pattern !== 0);
      const window = slides ? (spec.slidingWindow?.value ?? 0) : length;
      let pairs = 0;
      for (let i = 1; i <= length; i++) pairs += Math.min(i, window);
      const { mla } = spec;
      const qk = mla === undefined ? spec.headDim.value : mla.nopeHeadDim.value + mla.ropeHeadDim.value;
      const value = mla === undefined ? spec.headDim.value : mla.valueHeadDim.value;
      flops += (2 * spec.heads.value * (qk + value) * pairs) / length;
    }
    expect(figuresOf(graph, length).forwardFlops / flops).toBeCloseTo(1, 9);
    expect(figuresOf(graph, length).trainingFlops / (3 * flops)).toBeCloseTo(1, 9);
  });
});

/** Multiply-adds of one token: every matrix but the embedding table once, experts as often as a token uses them. */
function activeMatrices(m: ModelSpec): number {
  const h = m.hidden.value;
  const matrices = m.gatedMlp.value ? 3 : 2;
  const { mla, moe } = m;
  let attention = 0;
  if (mla === undefined) attention = h * m.headDim.value * (2 * m.heads.value + 2 * m.kvHeads.value);
  else {
    const q = m.heads.value * (mla.nopeHeadDim.value + mla.ropeHeadDim.value);
    attention = mla.qRank.value > 0 ? mla.qRank.value * (h + q) : h * q;
    attention += h * (mla.kvRank.value + mla.ropeHeadDim.value);
    attention += mla.kvRank.value * m.heads.value * (mla.nopeHeadDim.value + mla.valueHeadDim.value);
    attention += h * m.heads.value * mla.valueHeadDim.value;
  }
  let total = m.vocab.value * h;
  for (let layer = 0; layer < m.layers.value; layer++) {
    const routed = moe !== undefined && layer >= moe.denseLayers.value && layer % moe.moeEvery.value === 0;
    total += attention;
    if (!routed) total += matrices * h * m.ffn.value;
    else {
      total += h * moe.experts.value + moe.expertsPerToken.value * matrices * h * moe.moeFfn.value;
      total += matrices * h * moe.sharedFfn.value;
    }
  }
  return total;
}

describe("well known figures", () => {
  test("Llama 3 8B: 6 FLOPs a parameter and token, less the embedding, and attention over half the context", () => {
    const graph = buildGraph(std("llama3_8b"));
    const matrices = 8_030_261_248 - 128_256 * 4096 - 65 * 4096;
    const attention = 32 * 3 * 4 * 4096 * ((8192 + 1) / 2);
    expect(figuresOf(graph, 8192).trainingFlops).toBe(6 * matrices + attention);
  });

  test("Mixtral 8x7B has 12.9 B active of 46.7 B; DeepSeek V3 37 B of 671 B; Qwen3 30B-A3B 3.3 B", () => {
    const of = (name: string) => {
      const { parameters, activeParameters } = buildGraph(std(name));
      return [parameters, activeParameters].map((n) => Number((n / 1e9).toPrecision(3)));
    };
    expect(of("mixtral_8x7b")).toEqual([46.7, 12.9]);
    // The paper's 37 B leave out the embedding of 0.9 B that a token only looks up.
    expect(of("deepseek_v3")).toEqual([671, 37.6]);
    expect(of("qwen3_30b_a3b")).toEqual([30.5, 3.35]);
  });

  test("a key/value cache of 128 KiB a token for Llama 3 8B, 70,272 bytes for DeepSeek V3", () => {
    expect(buildGraph(std("llama3_8b")).kvBytesPerToken).toBe(128 * 1024);
    expect(buildGraph(std("deepseek_v3")).kvBytesPerToken).toBe(2 * 61 * (512 + 64));
  });

  test("positions attended to", () => {
    const brute = (window: number, length: number) => {
      let n = 0;
      for (let i = 1; i <= length; i++) n += Math.min(i, window === 0 ? length : window);
      return n / length;
    };
    for (const [window, length] of [
      [0, 7],
      [3, 7],
      [7, 7],
      [9, 7],
    ] as const)
      expect(attended({ window, causal: true }, length)).toBeCloseTo(brute(window, length), 12);
    expect(attended({ window: 0, causal: false }, 7)).toBe(7);
  });
});

/** A tiny model of a family, and adapters. */
const small = (more: string, architecture = "llama"): ModelGraph => {
  const text = `model m { architecture = ${architecture}, layers = 4, hidden = 32, heads = 4, ffn = 64, vocab = 300, context_length = 64, ${more} }`;
  const { value, diagnostics } = checkText(text);
  expect(diagnostics).toEqual([]);
  return buildGraph(value?.models.m as ModelSpec);
};

describe("adapters and freezing", () => {
  const text = `model m { architecture = llama, layers = 2, hidden = 32, heads = 4, ffn = 64, vocab = 300, context_length = 64 }
adapter a { kind = lora, rank = 4, alpha = 8, targets = [q_proj, down_proj] }
adapter q { kind = qlora, rank = 4, alpha = 8, targets = [all_linear] }`;
  const { value } = checkText(text);
  const spec = value?.models.m as ModelSpec;
  const base = buildGraph(spec);
  const lora = buildGraph(spec, { adapter: value!.adapters.a! });
  const qlora = buildGraph(spec, { adapter: value!.adapters.q! });
  const weightsOf = (graph: ModelGraph) => Object.values(graph.kinds).flatMap((k) => Object.values(k.weights));

  test("LoRA trains A and B of its targets alone: rank × (in + out) for each", () => {
    expect(lora.trainableParameters).toBe(2 * 4 * (32 + 32 + 64 + 32));
    expect(lora.parameters).toBe(base.parameters + lora.trainableParameters);
    for (const w of weightsOf(lora)) expect(w.trainable).toBe(/lora_[AB]/.test(w.name));
  });

  test("frozen matrices cost one backward product, not two, and keep no input", () => {
    const dense = figuresOf(lora, 64).kinds.find((k) => k.id === "dense")!;
    const up = dense.ops.find((op) => op.id === "mlp.up_proj")!;
    expect(up.backwardFlops).toBe(up.forwardFlops);
    expect(opOf(lora.kinds.dense!, "mlp.up_proj").saves).toEqual([]);
    expect(opOf(lora.kinds.dense!, "attn.q_proj.lora_A").saves).toEqual(["attn.norm"]);
    // The MLP's normed input is needed by nobody; without the adapter by two products.
    const needs = (graph: ModelGraph) => new Set(graph.kinds.dense!.ops.flatMap((op) => op.saves));
    expect(needs(lora)).not.toContain("mlp.norm");
    expect(needs(base)).toContain("mlp.norm");
  });

  test("the low-rank branch is y = xAᵀBᵀ·α/r, added to the frozen product", () => {
    const dense = lora.kinds.dense!;
    expect(opOf(dense, "attn.q_proj.lora_scale").attrs.factor).toBe(2);
    expect(opOf(dense, "attn.q_proj.add").inputs).toEqual(["attn.q_proj.base", "attn.q_proj.scaled"]);
    expect(dense.weights["model.layers.{layer}.self_attn.q_proj.lora_B.weight"]?.init.kind).toBe("zeros");
  });

  test("QLoRA stores the frozen matrices in nf4, and neither embedding, head, norms nor A and B", () => {
    for (const w of weightsOf(qlora))
      expect(w.stored, w.name).toBe(/(proj)\.weight$/.test(w.name) && !/lora/.test(w.name) ? "nf4" : undefined);
    expect(qlora.trainableParameters).toBe(2 * 4 * (4 * (32 + 32) + 3 * (32 + 64)));
  });

  test("`freeze` keeps what its globs name from training", () => {
    const frozen = buildGraph(spec, { freeze: ["model.embed_tokens*", "*.mlp.*"] });
    for (const w of weightsOf(frozen)) expect(w.trainable, w.name).toBe(!/embed_tokens|\.mlp\./.test(w.name));
    expect(opOf(frozen.kinds.embedding!, "embed").saves).toEqual([]);
  });
});

describe("variants", () => {
  test("sliding layers alternate with full ones by the pattern, and only they have a window", () => {
    const graph = small("sliding_window = 16, sliding_pattern = 3");
    expect(graph.stack).toEqual(["embedding", "dense_sliding", "dense_sliding", "dense_full", "dense_sliding", "head"]);
    const windows = ["dense_sliding", "dense_full"].map((id) => opOf(graph.kinds[id]!, "attn.core").attrs.window);
    expect(windows).toEqual([16, 0]);
    expect(forwardFlops(opOf(graph.kinds.dense_sliding!, "attn.core"), 64)).toBeLessThan(
      forwardFlops(opOf(graph.kinds.dense_full!, "attn.core"), 64),
    );
  });

  test("tied embeddings are stored once and named where they lie", () => {
    const [tied, own] = [small("tied_embeddings = true"), small("")];
    expect(own.parameters - tied.parameters).toBe(300 * 32);
    expect(tied.kinds.head?.weights["lm_head.weight"]?.tiedTo).toBe("model.embed_tokens.weight");
  });

  test("dropout stands after the embedding, the attention and the MLP, and keeps a byte an element; 0 leaves no op", () => {
    const ops = (graph: ModelGraph, kind: string) =>
      graph.kinds[kind]!.ops.filter((op) => op.kind === "dropout").map((op) => op.id);
    const graph = small("dropout = 10%");
    expect([ops(graph, "embedding"), ops(graph, "dense")]).toEqual([
      ["embed.dropout"],
      ["attn.dropout", "mlp.dropout"],
    ]);
    expect(opOf(graph.kinds.dense!, "attn.dropout").attrs.rate).toBe(0.1);
    const [kept, dropped] = [small(""), graph].map(
      (g) => figuresOf(g, 64).kinds.find((k) => k.id === "dense")!.savedBytes,
    );
    expect(dropped! - kept!).toBe(2 * 32);
    expect(ops(small(""), "dense")).toEqual([]);
  });

  test("experts: top-k of the routed ones work, shared ones always, the first layers are dense, capacity is told", () => {
    const moe =
      "experts = 8, experts_per_token = 2, moe_ffn = 16, shared_experts = 2, dense_layers = 1, capacity_factor = 1.25";
    const graph = small(moe, "deepseek_v2");
    expect(graph.stack).toEqual(["embedding", "dense", "moe", "moe", "moe", "head"]);
    const layer = graph.kinds.moe!;
    const expert = layer.weights["model.layers.{layer}.mlp.experts.{expert}.up_proj.weight"]!;
    expect([expert.shape, expert.copies, expert.split.expert]).toEqual([[16, 32], 8, 0]);
    const shared = layer.weights["model.layers.{layer}.mlp.shared_experts.up_proj.weight"]!;
    expect([shared.shape, shared.copies]).toEqual([[32, 32], 1]);
    expect(opOf(layer, "moe.dispatch").attrs).toMatchObject({ topK: 2, capacity: 1.25, experts: 8 });
    const inactive = 3 * 6 * 3 * 32 * 16;
    expect(graph.parameters - graph.activeParameters).toBe(inactive);
    // Routed rows are kept once for each expert of a token.
    const kind = figuresOf(graph, 64).kinds.find((k) => k.id === "moe")!;
    expect(kind.ops.find((op) => op.id === "moe.experts.up_proj")?.savedBytes).toBe(2 * 2 * 16);
  });

  test("latent attention: small matrices around a compressed row; queries through their own rank or directly", () => {
    const mla = "kv_rank = 16, rope_head_dim = 4, nope_head_dim = 8, value_head_dim = 6";
    const names = (graph: ModelGraph) => Object.keys(graph.kinds.dense!.weights).filter((n) => n.includes("self_attn"));
    const direct = small(mla, "deepseek_v2");
    const ranked = small(`${mla}, q_rank = 12`, "deepseek_v3");
    expect(names(direct).map((n) => n.split(".").at(-2))).toEqual([
      "q_proj",
      "kv_a_proj_with_mqa",
      "kv_a_layernorm",
      "kv_b_proj",
      "o_proj",
    ]);
    expect(names(ranked)).toHaveLength(7);
    expect(direct.kinds.dense!.weights["model.layers.{layer}.self_attn.kv_a_proj_with_mqa.weight"]?.shape).toEqual([
      20, 32,
    ]);
    expect(direct.kvBytesPerToken).toBe(2 * 4 * (16 + 4));
  });
});
