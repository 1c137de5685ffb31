/**
 * What each software keeps of a layer for its backward. The op graph says which tensors the mathematics needs; kernels keep
 * more (a norm that upcasts, an activation spelt out in five operations) or less (what a compiler recomputes). Counts of
 * `eager` and `compiled` are held equal to what autograd packs for layers of `transformers` (bench/measure/layers.py).
 */
import { bytesPerToken } from "./figures.js";
import type { LayerKind, Op } from "./graph.js";

/**
 * `eager`: PyTorch modules of `transformers` with fused attention; `compiled`: the same through torch.compile's partitioner;
 * `megatron`: Megatron-Core's and Transformer Engine's fused modules; `own`: our runtime, exactly the graph's.
 */
export type Kernels = "eager" | "compiled" | "megatron" | "own";

export interface SavedOptions {
  /** Bytes an element of activations: 2, or 4. */
  readonly bytes?: 2 | 4;
  /** On a CPU PyTorch keeps statistics of layer norms and masks of dropout in the activations' type. */
  readonly device?: "gpu" | "cpu";
}

export interface SavedTensor {
  readonly op: string;
  /** Of a layer that gets one token; routed rows count once for each expert that a token chose. */
  readonly bytes: number;
  /** `hidden`: as wide as the residual stream; `tensor`: split with heads or the MLP's columns; `routed`: a row for each chosen expert. */
  readonly part: "hidden" | "attention" | "mlp" | "experts" | "routed" | "router";
}

type Keep = (tensor: string, part: SavedTensor["part"], bytes: number, op: Op) => void;

/** Every tensor once; the layer's own input only where a kernel keeps it. */
export function savedTensors(kind: LayerKind, kernels: Kernels, options: SavedOptions = {}): SavedTensor[] {
  const size = options.bytes ?? 2;
  const topK = kind.ops.reduce((n, op) => Math.max(n, Number(op.attrs.topK ?? 1)), 1);
  const width = (id: string): number => {
    const t = kind.tensors[id];
    return t === undefined ? 0 : bytesPerToken({ ...t, dtype: "bool" }, topK);
  };
  const out: SavedTensor[] = [];
  const kept = new Set<string>();
  const keep: Keep = (tensor, part, bytes, op) => {
    if (kept.has(tensor) || bytes === 0) return;
    kept.add(tensor);
    out.push({ op: op.id, bytes, part });
  };
  if (kernels === "own") {
    for (const op of kind.ops)
      for (const id of op.saves) {
        const t = kind.tensors[id];
        if (t !== undefined) keep(id, partOf(op, kind, id), bytesPerToken(t, topK, 4), op);
      }
    return out;
  }
  const rules = { kind, width, size, keep, kernels, cpu: options.device === "cpu", topK };
  for (const op of kind.ops) ruleOf(op, rules);
  // A compiled graph is handed the layer's input, whatever in it could be made again from what else is kept.
  if (kernels === "compiled") keep(kind.input, "hidden", size * width(kind.input), kind.ops[0]!);
  return out;
}

interface Rules {
  readonly kind: LayerKind;
  readonly width: (id: string) => number;
  readonly size: number;
  readonly keep: Keep;
  readonly kernels: Exclude<Kernels, "own">;
  readonly cpu: boolean;
  readonly topK: number;
}

function partOf(op: Op, kind: LayerKind, id: string): SavedTensor["part"] {
  const t = kind.tensors[id];
  if (t?.shape.includes("routed_tokens") === true) return t.split.tensor === undefined ? "routed" : "experts";
  if (t?.split.tensor === undefined) return op.module === "moe" && op.kind !== "linear" ? "router" : "hidden";
  return op.module === "attention" ? "attention" : "mlp";
}

function ruleOf(op: Op, r: Rules): void {
  const { kind, width, size, keep, cpu } = r;
  const eager = r.kernels === "eager";
  const [x, y] = [op.inputs[0]!, op.outputs[0]!];
  /** A tensor as it is in memory. */
  const plain = (id: string): void => keep(id, partOf(op, kind, id), size * width(id), op);
  /** Something that the graph has no name for. */
  const extra = (name: string, like: string, bytes: number): void =>
    keep(`${op.id} ${name}`, partOf(op, kind, like), bytes, op);
  const trains = op.weights.some((w) => kind.weights[w]?.trainable === true);
  switch (op.kind) {
    case "norm": {
      const heads = typeof op.attrs.headDim === "number" ? width(x) / op.attrs.headDim : 1;
      if (op.attrs.norm !== "rmsnorm") {
        plain(x);
        extra("statistics", x, 2 * (cpu ? size : 4));
        return;
      }
      if (eager) {
        // x in fp32, its inverse deviation, and the normalised x that is multiplied by the weight.
        const read = typeof op.attrs.width === "number" ? op.attrs.width : width(x);
        if (size === 4) plain(x);
        else extra("fp32", x, 4 * read);
        if (trains) extra("normalised", x, size * read);
      } else plain(x);
      extra("deviation", x, 4 * heads);
      return;
    }
    case "linear":
      if (trains) plain(x);
      return;
    case "attention": {
      const latent = kind.ops.find((o) => o.kind === "rope" && o.attrs.latent === true);
      const value = op.inputs[2]!;
      for (const id of [op.inputs[0]!, op.inputs[1]!, y]) plain(id);
      if (latent === undefined || r.kernels === "megatron") plain(value);
      else {
        // Values are a view of what they were expanded in, keys' parts beside them; the output is laid out as queries are,
        // head by head, and copied for the projection.
        plain(latent.inputs[1]!);
        extra("copy", y, size * width(y));
      }
      for (const id of op.saves) if (kind.tensors[id]?.dtype === "fp32") keep(id, "attention", 4 * width(id), op);
      return;
    }
    case "gated_activation":
      for (const id of op.inputs) plain(id);
      if (eager) extra("of the gate", y, size * width(y));
      return;
    case "activation":
      plain(x);
      // 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))): half of x, the tangent, one more than it.
      if (op.attrs.activation === "gelu_tanh" && r.kernels !== "megatron")
        for (const name of eager ? ["half", "tangent", "and one"] : ["tangent"]) extra(name, y, size * width(y));
      return;
    case "dropout":
      extra("mask", y, width(y) * (eager && cpu ? size : 1));
      return;
    case "router":
      plain(x);
      // Probabilities of all experts, the chosen ones' before and after they are scaled to one, and where they are.
      extra("probabilities", y, 4 * width(y) + 2 * 4 * r.topK + (eager ? 4 : 0));
      extra("indices", y, 4 * 8 * r.topK);
      return;
    case "grouped_linear":
      plain(x);
      return;
    case "combine":
      plain(x);
      return;
    default:
      return;
  }
}

/** Bytes for each token by part of the layer: what memory splits over tensor, sequence and expert axes differently. */
export type SavedParts = Readonly<Record<SavedTensor["part"], number>>;

export function savedParts(kind: LayerKind, kernels: Kernels, options: SavedOptions = {}): SavedParts {
  const parts = { hidden: 0, attention: 0, mlp: 0, experts: 0, routed: 0, router: 0 };
  for (const t of savedTensors(kind, kernels, options)) parts[t.part] += t.bytes;
  return parts;
}
