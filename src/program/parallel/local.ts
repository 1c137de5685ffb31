/**
 * The part of a model graph that one rank computes: its heads, its columns, its tokens, with collectives where the layout
 * makes them necessary. A tensor is whole on every rank of the tensor axis, or split by rows (sequence parallelism) or by
 * columns, or a sum that is still spread over the ranks; each op says what it needs, and the move between the two is an op
 * of its own, whose backward is its adjoint.
 */
import type { LayerKind, ModelGraph, Op, WeightSpec } from "../../model/graph.js";
import { flag } from "../ops/types.js";
import { evenSplit, type RankLayout } from "./types.js";

/** `read`: whole, read by ranks that each give a part of its gradient. `sum`: each rank has a summand. */
type Placement = "whole" | "read" | "rows" | "columns" | "sum";

export interface LocalGraph {
  readonly graph: ModelGraph;
  /** Names (with their holes) of weights whose gradients are sums over the tensor axis. */
  readonly partial: ReadonlySet<string>;
  /** By layer kind: moves that are always done again in the backward (Megatron's sequence parallelism keeps the parts). */
  readonly regathered: Readonly<Record<string, readonly string[]>>;
  /** By layer kind and op: moves of its output, dropped with it. */
  readonly moved: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
}

/** Forward and backward of a move. */
const moves: Readonly<Record<string, readonly [string, string]>> = {
  "whole>read": ["identity", "sum"],
  "rows>read": ["gatherRows", "scatterRows"],
  "columns>read": ["gatherColumns", "scatterColumns"],
  "rows>whole": ["gatherRows", "sliceRows"],
  "columns>whole": ["gatherColumns", "sliceColumns"],
  "whole>rows": ["sliceRows", "gatherRows"],
  "whole>columns": ["sliceColumns", "gatherColumns"],
};

export function localGraph(graph: ModelGraph, layout: RankLayout): LocalGraph {
  const partial = new Set<string>();
  const { tensor, context, expert } = layout.parallel;
  if (tensor === 1 && context === 1 && expert === 1) return { graph, partial, regathered: {}, moved: {} };
  const regathered: Record<string, readonly string[]> = {};
  const moved: Record<string, Record<string, string[]>> = {};
  const kinds: Record<string, LayerKind> = {};
  for (const kind of Object.values(graph.kinds)) {
    const local = new LocalKind(kind, layout, partial);
    kinds[kind.id] = local.done();
    regathered[kind.id] = local.regathered;
    moved[kind.id] = local.moved;
  }
  return { graph: { ...graph, kinds }, partial, regathered, moved };
}

/** A weight's range on the tensor axis; undefined where every rank has the whole. */
export function tensorPart(
  spec: WeightSpec,
  layout: RankLayout,
): { readonly dim: number; readonly first: number; readonly last: number } | undefined {
  const dim = spec.split.tensor;
  if (dim === undefined || layout.parallel.tensor === 1) return undefined;
  const bounds = evenSplit(spec.shape[dim]!, layout.parallel.tensor);
  return { dim, first: bounds[layout.at.tensor]!, last: bounds[layout.at.tensor + 1]! };
}

class LocalKind {
  readonly #ops: Op[] = [];
  readonly #at = new Map<string, Placement>();
  readonly #copies = new Map<string, string>();
  readonly regathered: string[] = [];
  readonly moved: Record<string, string[]> = {};
  readonly #stream: Placement;

  constructor(
    readonly kind: LayerKind,
    readonly layout: RankLayout,
    readonly partial: Set<string>,
  ) {
    this.#stream = layout.parallel.sequence && layout.parallel.tensor > 1 ? "rows" : "whole";
  }

  done(): LayerKind {
    const { kind } = this;
    this.#at.set(kind.input, kind.input === "tokens" ? "whole" : this.#stream);
    this.#at.set("positions", "whole");
    for (const op of kind.ops) this.#place(op);
    const last = kind.ops.at(-1)!;
    const output = last.kind === "cross_entropy" ? kind.output : this.#want(kind.output, this.#stream);
    const weights = Object.fromEntries(
      Object.entries(kind.weights).map(([name, spec]) => {
        const part = tensorPart(spec, this.layout);
        if (part === undefined) return [name, spec];
        const shape = spec.shape.map((n, i) => (i === part.dim ? part.last - part.first : n));
        return [name, { ...spec, shape }];
      }),
    );
    return { ...kind, ops: this.#ops, weights, output };
  }

  #split(op: Op): number | undefined {
    return this.layout.parallel.tensor === 1 ? undefined : this.kind.weights[op.weights[0]!]?.split.tensor;
  }

  #place(op: Op): void {
    switch (op.kind) {
      case "linear": {
        const split = this.#split(op);
        const outputDim = flag(op, "transposed") ? 1 : 0;
        if (split === undefined) {
          const from = this.#at.get(op.inputs[0]!) === "columns" ? "whole" : this.#at.get(op.inputs[0]!)!;
          this.#emit(op, [from], from);
          if (from === "rows") this.#sums(op.weights);
        } else if (split === outputDim) this.#emit(op, ["read"], "columns");
        else this.#reduced({ ...op, weights: op.weights.slice(0, 1) }, ["columns"], op.weights.slice(1));
        return;
      }
      case "embedding":
        if (this.#split(op) === undefined) this.#emit(op, ["whole"], "whole");
        else {
          const first = tensorPart(this.kind.weights[op.weights[0]!]!, this.layout)!.first;
          this.#reduced({ ...op, attrs: { ...op.attrs, firstRow: first } }, ["whole"], []);
        }
        return;
      case "norm": {
        const from = this.#at.get(op.inputs[0]!)!;
        const perHead = op.attrs.headDim !== undefined;
        const to = from === "columns" && !perHead ? "whole" : from;
        this.#emit(op, [to], to);
        if (to !== "whole") this.#sums(op.weights);
        return;
      }
      case "attention": {
        const { tensor } = this.layout.parallel;
        const heads = Number(op.attrs.heads) / tensor;
        const kvHeads = Number(op.attrs.kvHeads ?? op.attrs.heads) / tensor;
        const at = tensor === 1 ? ("whole" as const) : ("columns" as const);
        const [q, ...keys] = op.inputs.map((id) => this.#want(id, at));
        const inputs = [q!, ...keys.map((id) => this.#allKeys(id))];
        this.#push({ ...op, inputs, attrs: { ...op.attrs, heads, kvHeads } }, at);
        return;
      }
      case "rope": {
        const split = op.inputs.some((id) => this.#at.get(id) === "columns");
        const inputs = op.inputs.map((id) => (split && this.#at.get(id) !== "columns" ? "read" : this.#at.get(id)!));
        this.#emit(op, inputs, split ? "columns" : "whole");
        return;
      }
      case "router":
        this.#emit(op, ["whole"], "whole");
        return;
      case "dispatch":
        this.#emit(this.#exchanged(op) ? { ...op, outputs: [`${op.outputs[0]}:own`] } : op, ["read", "read"], "read");
        if (this.#exchanged(op)) this.#exchange(op.id, `${op.outputs[0]}:own`, op.outputs[0]!, "toExperts");
        return;
      case "grouped_linear": {
        const split = this.#split(op);
        if (split === undefined) this.#emit(op, ["read"], "sum");
        else if (split === 0) this.#emit(op, ["read"], "columns");
        else this.#emit(op, ["columns"], "sum");
        return;
      }
      case "combine": {
        const [done, scores] = op.inputs as [string, string];
        const source = this.#ops.find((o) => o.outputs.includes(done));
        if (this.#exchanged(op)) this.#exchange(source!.id, done, `${done}:back`, "fromExperts");
        const back = this.#exchanged(op) ? { ...op, inputs: [`${done}:back`, scores] } : op;
        if (this.layout.parallel.tensor === 1) this.#emit(back, ["sum", "read"], this.#stream);
        else this.#reduced(back, ["sum", "read"], []);
        return;
      }
      case "cross_entropy":
        this.#push(op, "whole");
        return;
      case "activation":
      case "gated_activation":
      case "add":
      case "scale":
      case "softcap":
      case "dropout": {
        const from = op.inputs.map((id) => this.#at.get(id)!);
        const to = from.includes("columns") ? "columns" : from.includes("rows") ? "rows" : "whole";
        this.#emit(
          op,
          from.map(() => to),
          to,
        );
        return;
      }
      default:
        throw new Error(`${op.kind} has no layout over the tensor or context axis`);
    }
  }

  #emit(op: Op, needs: readonly Placement[], output: Placement): void {
    this.#push({ ...op, inputs: op.inputs.map((id, i) => this.#want(id, needs[i]!)) }, output);
  }

  #push(op: Op, output: Placement): void {
    this.#ops.push(op);
    for (const id of op.outputs) this.#at.set(id, output);
  }

  /** An op whose output is a sum over the tensor axis; a bias is added once, after it. */
  #reduced(op: Op, needs: readonly Placement[], bias: readonly string[]): void {
    const output = op.outputs[0]!;
    const part = `${output}:part`;
    this.#emit({ ...op, outputs: [part] }, needs, "whole");
    const id = `${op.id}:reduce`;
    const [forward, backward] = this.#stream === "rows" ? ["scatterRows", "gatherRows"] : ["sum", "identity"];
    this.#push(collective(op, id, "tensor", part, output, forward!, backward!, bias), this.#stream);
    if (this.#stream === "rows") this.#sums(bias);
    this.#follow(op.id, id);
  }

  #exchanged(op: Op): boolean {
    return this.layout.parallel.expert > 1 && (op.kind === "dispatch" || op.kind === "combine");
  }

  #exchange(producer: string, from: string, to: string, way: "toExperts" | "fromExperts"): void {
    const like = this.#ops.find((o) => o.id === producer)!;
    const back = way === "toExperts" ? "fromExperts" : "toExperts";
    const id = `${producer}:${way}`;
    this.#push(collective(like, id, "expert", from, to, way, back, []), this.#at.get(from)!);
    this.#follow(producer, id);
  }

  #follow(producer: string | undefined, id: string): void {
    if (producer !== undefined) this.moved[producer] = [...(this.moved[producer] ?? []), id];
  }

  /** The tensor as an op needs it: itself, or a moved copy that others share. */
  #want(id: string, to: Placement): string {
    const from = this.#at.get(id)!;
    if (from === to || this.layout.parallel.tensor === 1) return id;
    const key = `${from}>${to}`;
    const known = this.#copies.get(`${id} ${to}`);
    if (known !== undefined) return known;
    const copy = `${id}:${to}`;
    const move = moves[key];
    // Rows to columns go through the whole.
    if (move === undefined) return this.#want(this.#want(id, "whole"), to);
    const source = this.#ops.find((op) => op.outputs.includes(id));
    this.#push(collective(source ?? this.kind.ops[0]!, copy, "tensor", id, copy, move[0], move[1], []), to);
    this.#copies.set(`${id} ${to}`, copy);
    if (move[0] === "gatherRows") this.regathered.push(copy);
    else this.#follow(source?.id, copy);
    return copy;
  }

  /** Keys or values of all earlier tokens, from the ranks of the context axis. */
  #allKeys(id: string): string {
    if (this.layout.parallel.context === 1) return id;
    const copy = `${id}:keys`;
    const source = this.#ops.find((op) => op.outputs.includes(id));
    this.#push(collective(source!, copy, "context", id, copy, "gatherKeys", "scatterKeys", []), this.#at.get(id)!);
    this.#follow(source?.id, copy);
    return copy;
  }

  #sums(names: readonly string[]): void {
    for (const name of names) this.partial.add(this.kind.weights[name]!.name);
  }
}

function collective(
  like: Op,
  id: string,
  axis: "tensor" | "context" | "expert",
  input: string,
  output: string,
  forward: string,
  backward: string,
  weights: readonly string[],
): Op {
  return {
    ...like,
    id,
    kind: "collective",
    inputs: [input],
    outputs: [output],
    weights,
    saves: [],
    flopsPerToken: 0,
    flopsPerTokenPair: 0,
    attrs: { axis, forward, backward },
    splitBy: "none",
  };
}
