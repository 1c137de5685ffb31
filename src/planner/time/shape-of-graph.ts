/** The model graph as the physics sees it. */

import type { LayerKind, ModelGraph, Op, WeightSpec } from "../../model/graph.js";
import { cacheOf, savedParts } from "../../model/index.js";
import { elementBytes } from "../bytes.js";
import type { AttentionShape, Gemm, LayerShape, ModelShape, MoeShape } from "./shape.js";

const known = new WeakMap<ModelGraph, ModelShape>();

export function shapeOfGraph(graph: ModelGraph): ModelShape {
  const found = known.get(graph);
  if (found !== undefined) return found;
  const kinds = Object.fromEntries(Object.values(graph.kinds).map((kind) => [kind.id, shapeOfKind(graph, kind)]));
  const tied = Object.values(graph.kinds).some((k) => Object.values(k.weights).some((w) => w.tiedTo !== undefined));
  const made: ModelShape = { kinds, stack: graph.stack, tied };
  known.set(graph, made);
  return made;
}

const keptOf = (kind: LayerKind, bytes: 2 | 4) => ({
  eager: savedParts(kind, "eager", { bytes }),
  compiled: savedParts(kind, "compiled", { bytes }),
});

const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
const numberOf = (op: Op, ...keys: readonly string[]): number | undefined => {
  for (const key of keys) {
    const value = op.attrs[key];
    if (typeof value === "number") return value;
  }
  return undefined;
};

function shapeOfKind(graph: ModelGraph, kind: LayerKind): LayerShape {
  const gemms: Gemm[] = [];
  const groups = new Map<string, number>();
  let small = 0;
  let table = 0;
  let smallTrainable = true;
  let tableTrainable = true;
  let attention: AttentionShape | undefined;
  let stored: number | undefined;
  let topK = 1;
  let imbalance = 1;
  let capacity = 0;
  let latent = 0;
  for (const op of kind.ops) {
    const weights = op.weights.flatMap((name) => kind.weights[name] ?? []);
    for (const w of weights) {
      if (w.stored !== undefined) stored = elementBytes[w.stored]!;
      const matrix = w.shape.length === 2 && op.kind !== "embedding" && op.kind !== "norm";
      if (op.kind === "embedding") {
        table += product(w.shape) * w.copies;
        tableTrainable = w.trainable;
      } else if (!matrix) {
        small += product(w.shape) * w.copies;
        smallTrainable = w.trainable;
      } else {
        if (op.module === "attention" && w.split.tensor === undefined && w.shape[0]! < graph.hidden && !isAdapter(w))
          latent += w.shape[0]!;
        join(gemms, groups, op, w);
      }
    }
    if (op.kind === "attention") {
      const heads = numberOf(op, "heads") ?? 1;
      const qkDim = numberOf(op, "headDim", "qkDim") ?? graph.hidden / heads;
      attention = {
        heads,
        kvHeads: numberOf(op, "kvHeads") ?? heads,
        qkDim,
        vDim: numberOf(op, "valueDim", "vDim") ?? qkDim,
        window: numberOf(op, "window") ?? 0,
        causal: op.attrs.causal !== false,
        latent: 0,
        op: op.id,
      };
    }
    topK = numberOf(op, "topK", "expertsPerToken") ?? topK;
    imbalance = numberOf(op, "imbalance") ?? imbalance;
    capacity = numberOf(op, "capacity", "capacityFactor") ?? capacity;
  }
  const grouped = kind.ops.find((op) => op.kind === "grouped_linear" && gemms.some((g) => g.copies > 1));
  let moe: MoeShape | undefined;
  if (grouped !== undefined) {
    const routed = gemms.filter((g) => g.copies > 1);
    const down = routed.find((g) => g.outputs === graph.hidden && g.inputs !== graph.hidden) ?? routed.at(-1)!;
    moe = { experts: down.copies, topK, ffn: down.inputs, imbalance, capacity };
  }
  const isMlp = (g: Gemm): boolean =>
    g.copies === 1 && g.module !== "attention" && g.outputs === graph.hidden && g.rank === 0;
  const role = roleOf(kind);
  const mlp = role === "block" ? gemms.filter(isMlp).reduce((a, g) => Math.max(a, g.inputs), 0) : 0;
  return {
    kind: kind.id,
    role,
    hidden: graph.hidden,
    gemms,
    ...(attention === undefined ? {} : { attention: { ...attention, latent } }),
    ...(moe === undefined ? {} : { moe }),
    ffn: mlp,
    gated: kind.ops.some((op) => op.kind === "gated_activation"),
    dropout: kind.ops.some(
      (op) =>
        op.kind === "dropout" && op.attrs.adapter !== true && (numberOf(op, "rate", "p", "probability") ?? 0.1) > 0,
    ),
    vocab: graph.vocab,
    small,
    smallTrainable,
    table,
    tableTrainable,
    opShares: sharesOf(kind),
    ...(role === "block" ? { kept: keptOf(kind, 2), keptWide: keptOf(kind, 4) } : {}),
    ...(attention === undefined
      ? {}
      : {
          cached: {
            expanded: cacheOf(kind, "expanded").elements,
            latent: cacheOf(kind, "latent").elements,
            window: attention.window,
          },
        }),
    ...(stored === undefined ? {} : { stored }),
  };
}

const isAdapter = (w: WeightSpec): boolean => /lora/i.test(w.name);

const roleOf = (kind: LayerKind): LayerShape["role"] =>
  kind.ops.some((op) => op.kind === "embedding")
    ? "embedding"
    : kind.ops.some((op) => op.kind === "cross_entropy")
      ? "head"
      : "block";

/** Adds a product; those that read the same input with split columns run as one. */
function join(gemms: Gemm[], groups: Map<string, number>, op: Op, w: WeightSpec): void {
  // GPT-2's Conv1D stores [in, out].
  const outDim = op.attrs.transposed === true ? 1 : 0;
  const outputs = w.shape[outDim]!;
  const inputs = w.shape[1 - outDim]!;
  const split = w.split.tensor === undefined ? "none" : w.split.tensor === outDim ? "out" : "in";
  const one: Gemm = {
    op: op.id,
    module: op.module,
    inputs,
    outputs,
    split,
    copies: w.copies,
    trainable: w.trainable,
    rank: 0,
  };
  const key = [op.inputs[0], split, w.copies, w.trainable, inputs].join();
  const at = groups.get(key);
  if (split !== "out" || isAdapter(w) || at === undefined) {
    if (split === "out" && !isAdapter(w)) groups.set(key, gemms.length);
    gemms.push(one);
    return;
  }
  const before = gemms[at]!;
  const all = before.outputs + outputs;
  const parts = (before.parts ?? [[before.op, 1] as const]).map(
    ([id, share]) => [id, (share * before.outputs) / all] as const,
  );
  gemms[at] = { ...before, outputs: all, parts: [...parts, [op.id, outputs / all]] };
}

/** Elements a token of a tensor, symbolic dimensions counted as one token's share. */
function sizeOf(kind: LayerKind, id: string): number {
  const t = kind.tensors[id];
  if (t === undefined) return 0;
  const bytes = t.dtype === "fp32" || t.dtype === "int32" ? 4 : t.dtype === "bool" ? 1 : 2;
  return bytes * t.shape.reduce<number>((n, d) => (typeof d === "number" ? n * d : n), 1);
}

function sharesOf(kind: LayerKind): ReadonlyMap<string, number> {
  const saved = new Set(kind.ops.flatMap((op) => op.saves));
  saved.delete(kind.input);
  const makers = new Set(kind.ops.flatMap((op) => op.outputs));
  const bytes = kind.ops.map((op) => {
    const own = new Set([...op.outputs, ...op.saves.filter((id) => !makers.has(id))]);
    return [op.id, [...own].filter((id) => saved.has(id)).reduce((sum, id) => sum + sizeOf(kind, id), 0)] as const;
  });
  const all = bytes.reduce((sum, [, b]) => sum + b, 0);
  return new Map(bytes.map(([id, b]) => [id, all === 0 ? 0 : b / all]));
}
