/** Collects the ops, tensors and weights of one layer kind. */
import type { Adapter } from "../checker/pipeline.js";
import type { Dim, LayerKind, Op, OpKind, TensorSpec, WeightSpec } from "./graph.js";

export interface BuildOptions {
  readonly adapter?: Adapter;
  /** Globs (`*`) of parameter names that are not trained. */
  readonly freeze?: readonly string[];
}

type Side = "out" | "in" | "none";

export interface LinearOptions {
  readonly split?: Side;
  readonly bias?: boolean;
  /** GPT-2's Conv1D stores [in, out]. */
  readonly transposed?: boolean;
  readonly copies?: number;
  readonly kind?: "linear" | "router" | "grouped_linear";
  readonly attrs?: Op["attrs"];
  readonly rows?: Dim;
  /** The module of the checkpoint that this one is a part of, and where its outputs are. */
  readonly part?: { readonly of: string; readonly start: number; readonly size: number };
}

const allLinear = "all_linear";
const matches = (pattern: string, name: string): boolean =>
  new RegExp(`^${pattern.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*")}$`).test(name);

export class LayerBuilder {
  readonly #ops: Op[] = [];
  readonly #tensors: Record<string, TensorSpec> = {};
  readonly #weights: Record<string, WeightSpec> = {};
  module = "attention";

  constructor(
    readonly id: string,
    readonly options: BuildOptions,
  ) {}

  tensor(
    id: string,
    width: number,
    rows: Dim = "tokens",
    split: TensorSpec["split"] = {},
    dtype: TensorSpec["dtype"] = "act",
  ): string {
    this.#tensors[id] ??= { id, shape: [rows, width], dtype, split };
    return id;
  }

  weight(name: string, shape: readonly number[], more: Partial<WeightSpec> = {}): string {
    const frozen = this.options.adapter !== undefined && !name.includes("lora_");
    const trainable = !frozen && !(this.options.freeze ?? []).some((p) => matches(p, name));
    const quantised =
      this.options.adapter?.kind.value === "qlora" &&
      frozen &&
      shape.length === 2 &&
      !/embed|lm_head|wte|wpe/.test(name);
    this.#weights[name] = {
      name,
      shape,
      split: {},
      trainable,
      decay: shape.length > 1,
      init: shape.length > 1 ? { kind: "normal", std: 0.02 } : { kind: name.endsWith("bias") ? "zeros" : "ones" },
      copies: 1,
      ...(quantised ? { stored: "nf4" as const } : {}),
      ...more,
    };
    return name;
  }

  trains(weights: readonly string[]): boolean {
    return weights.some((name) => this.#weights[name]?.trainable === true);
  }

  op(op: { id: string; kind: OpKind; inputs: string[]; outputs: string[] } & Partial<Op>): void {
    this.#ops.push({
      module: this.module,
      weights: [],
      saves: [],
      flopsPerToken: 0,
      flopsPerTokenPair: 0,
      backwardRatio: 2,
      attrs: {},
      splitBy: "none",
      ...op,
    });
  }

  /** y = x Wᵀ (+ b), and LoRA's low-rank branch where the adapter targets it. Returns the output's id. */
  linear(id: string, input: string, name: string, inputs: number, outputs: number, o: LinearOptions = {}): string {
    const side = o.split ?? "none";
    const copies = o.copies ?? 1;
    const rows = o.rows ?? "tokens";
    const outDim = o.transposed ? 1 : 0;
    const dim = side === "out" ? outDim : side === "in" ? 1 - outDim : undefined;
    const split: WeightSpec["split"] = {
      ...(dim === undefined ? {} : { tensor: dim }),
      ...(copies > 1 ? { expert: 0 } : {}),
    };
    const slice = (what: string, dimension: number): Partial<WeightSpec> =>
      o.part === undefined
        ? {}
        : { slice: { of: `${o.part.of}.${what}`, dimension, start: o.part.start, size: o.part.size } };
    const weights = [
      this.weight(`${name}.weight`, o.transposed ? [inputs, outputs] : [outputs, inputs], {
        split,
        copies,
        ...(o.transposed ? { transposed: true } : {}),
        ...slice("weight", outDim),
      }),
    ];
    if (o.bias)
      weights.push(
        this.weight(`${name}.bias`, [outputs], {
          split: side === "out" ? { tensor: 0 } : {},
          copies,
          ...slice("bias", 0),
        }),
      );
    // Families name their modules differently; adapters name the projection.
    const short = id.split(".").at(-1) ?? "";
    const targets = this.options.adapter?.targets.value ?? [];
    const adapted =
      (o.kind ?? "linear") === "linear" &&
      name !== "lm_head" &&
      (targets.includes(short) || targets.includes(allLinear));
    const out = this.tensor(
      adapted ? `${id}.base` : id,
      outputs,
      rows,
      side === "out" ? { tensor: 1 } : { sequence: 0 },
    );
    const attrs: Op["attrs"] = { ...(o.transposed ? { transposed: true } : {}), ...o.attrs };
    const splitBy = copies > 1 ? ("expert" as const) : side === "none" ? ("none" as const) : ("tensor" as const);
    this.op({
      id,
      kind: o.kind ?? "linear",
      inputs: [input],
      outputs: [out],
      weights,
      // The input's gradient needs only the weight; the weight's gradient needs the input.
      saves: this.trains(weights) ? [input] : [],
      // A routed token goes through as many experts as it chose.
      flopsPerToken: 2 * inputs * outputs * (rows === "routed_tokens" ? Number(attrs.topK ?? 1) : 1),
      attrs,
      splitBy,
    });
    if (!adapted || this.options.adapter === undefined) return out;
    const rank = this.options.adapter.rank.value;
    const a = this.weight(`${name}.lora_A.weight`, [rank, inputs], {
      split: side === "in" ? { tensor: 1 } : {},
      // As wide as PEFT's uniform distribution over ±1/√inputs.
      init: { kind: "normal", std: 1 / Math.sqrt(3 * inputs) },
    });
    const b = this.weight(`${name}.lora_B.weight`, [outputs, rank], {
      split: side === "out" ? { tensor: 0 } : {},
      init: { kind: "zeros" },
    });
    const [low, high, scaled] = [
      this.tensor(`${id}.low`, rank, rows),
      this.tensor(`${id}.high`, outputs, rows),
      this.tensor(`${id}.scaled`, outputs, rows),
    ];
    const dropped = this.dropout(`${id}.lora_dropout`, input, inputs, this.options.adapter.dropout.value, rows);
    this.op({
      id: `${id}.lora_A`,
      kind: "linear",
      inputs: [dropped],
      outputs: [low],
      weights: [a],
      saves: [dropped],
      flopsPerToken: 2 * rank * inputs,
    });
    this.op({
      id: `${id}.lora_B`,
      kind: "linear",
      inputs: [low],
      outputs: [high],
      weights: [b],
      saves: [low],
      flopsPerToken: 2 * rank * outputs,
    });
    this.op({
      id: `${id}.lora_scale`,
      kind: "scale",
      inputs: [high],
      outputs: [scaled],
      attrs: { factor: this.options.adapter.alpha.value / rank },
    });
    return this.add(id, out, scaled, outputs);
  }

  norm(id: string, input: string, name: string, features: number, attrs: Op["attrs"], bias: boolean): string {
    // Per-head norms keep their input's width; one that reads a part of it gives that part.
    const width = typeof attrs.width === "number" ? attrs.width : this.#width(input, features);
    const out = this.tensor(id, width, "tokens", { sequence: 0 });
    const weights = [this.weight(`${name}.weight`, [features], attrs.offset === 1 ? { init: { kind: "zeros" } } : {})];
    if (bias) weights.push(this.weight(`${name}.bias`, [features]));
    this.op({
      id,
      kind: "norm",
      module: "norm",
      inputs: [input],
      outputs: [out],
      weights,
      saves: [input],
      attrs,
      splitBy: "sequence",
    });
    return out;
  }

  #width(id: string, fallback: number): number {
    const width = this.#tensors[id]?.shape[1];
    return typeof width === "number" ? width : fallback;
  }

  /** With a rate of 0 there is no op. The backward needs which elements were kept. */
  dropout(id: string, input: string, width: number, rate: number, rows: Dim = "tokens"): string {
    if (rate === 0) return input;
    const out = this.tensor(id, width, rows, { sequence: 0 });
    const mask = this.tensor(`${id}.mask`, width, rows, { sequence: 0 }, "bool");
    const adapter = id.endsWith(".lora_dropout");
    const attrs = { rate, ...(adapter ? { adapter: true } : {}) };
    this.op({ id, kind: "dropout", inputs: [input], outputs: [out], saves: [mask], attrs, splitBy: "sequence" });
    return out;
  }

  add(id: string, a: string, b: string, width: number): string {
    const out = this.tensor(id, width, "tokens", { sequence: 0 });
    this.op({ id: `${id}.add`, kind: "add", inputs: [a, b], outputs: [out], splitBy: "sequence" });
    return out;
  }

  done(input: string, output: string): LayerKind {
    return { id: this.id, ops: this.#ops, tensors: this.#tensors, weights: this.#weights, input, output };
  }
}
