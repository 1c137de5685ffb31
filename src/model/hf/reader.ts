/** Reads keys of a `config.json` with their types, and remembers which were read: the rest is reported. */
import { type Diagnostic, importCodes } from "../../diagnostics/index.js";
import { hfDefaults } from "./defaults.js";

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const activations: Readonly<Record<string, string>> = {
  silu: "silu",
  swish: "silu",
  gelu: "gelu",
  gelu_new: "gelu_tanh",
  gelu_fast: "gelu_tanh",
  gelu_pytorch_tanh: "gelu_tanh",
  relu: "relu",
  relu2: "relu_squared",
};

/** Bookkeeping of files, generation settings and heads of other tasks: nothing that a language model's training knows. */
const silent =
  /^(_.*|architectures|auto_map|model_type|(torch_)?dtype|transformers(_js)?_version|transformers\.js_config|use_cache|cache_implementation|.*_token_id|boi_token_index|eoi_token_index|pretraining_tp|output_.*|return_dict|id2label|label2id|is_(en)?decoder|task_specific_params|summary_.*|gradient_checkpointing|reorder_and_upcast_attn|n_ctx|attn_implementation|unsloth_.*|name_or_path|problem_type|num_local_experts|num_experts|qk_head_dim|max_window_layers|attention_chunk_size|embd_pdrop|chunk_size_feed_forward|predict_with_generate)$/;

const meanings: Readonly<Record<string, string>> = {
  num_nextn_predict_layers: "the multi-token-prediction module",
  quantization_config: "the quantisation of the stored weights",
};

export class Reader {
  readonly #used = new Set<string>();
  readonly #defaults: Readonly<Record<string, unknown>>;

  constructor(
    readonly config: Readonly<Record<string, unknown>>,
    type: string,
    readonly path: string,
    readonly diagnostics: Diagnostic[],
  ) {
    this.#defaults = hfDefaults[type] ?? {};
  }

  use(...keys: string[]): void {
    for (const key of keys) this.#used.add(key);
  }

  /** As written, else the class's default. */
  get(key: string): unknown {
    this.use(key);
    const value = this.config[key];
    return value === undefined ? this.#defaults[key] : value;
  }

  lost(what: string): void {
    this.diagnostics.push(importCodes.report("LLMP7003", undefined, { what }));
  }

  wrong(key: string, why: string): undefined {
    this.diagnostics.push(importCodes.report("LLMP7004", undefined, { path: this.path, key, why }));
    return undefined;
  }

  /** A size: a whole number above 0. */
  whole(key: string): number | undefined {
    const value = this.get(key);
    if (value === undefined || value === null) return this.wrong(key, "is missing");
    return this.#size(key, value);
  }

  /** A count that may be absent or null. */
  optional(key: string): number | undefined {
    const value = this.get(key);
    if (value === undefined || value === null) return undefined;
    return value === 0 ? 0 : this.#size(key, value);
  }

  #size(key: string, value: unknown): number | undefined {
    if (typeof value === "number" && Number.isSafeInteger(value) && value > 0) return value;
    return this.wrong(key, `is ${JSON.stringify(value)}, where a whole number above 0 is due`);
  }

  real(key: string): number | undefined {
    return this.get(key) === undefined ? this.wrong(key, "is missing") : this.optionalReal(key);
  }

  optionalReal(key: string): number | undefined {
    const value = this.get(key);
    if (value === undefined || value === null) return undefined;
    if (typeof value === "number" && Number.isFinite(value) && value >= 0) return value;
    return this.wrong(key, `is ${JSON.stringify(value)}, where a number is due`);
  }

  ratio(key: string, otherwise?: number): number | undefined {
    const value = this.get(key) ?? otherwise;
    if (typeof value === "number" && value >= 0 && value <= 1) return value;
    return this.wrong(key, `is ${JSON.stringify(value)}, where a share from 0 to 1 is due`);
  }

  flag(key: string, otherwise?: boolean): boolean | undefined {
    const value = this.get(key) ?? otherwise;
    if (typeof value === "boolean") return value;
    return this.wrong(
      key,
      value === undefined ? "is missing" : `is ${JSON.stringify(value)}, where true or false is due`,
    );
  }

  /** A number inside a record of the file. */
  numberOf(value: unknown): number | undefined {
    return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : undefined;
  }

  record(key: string): Readonly<Record<string, unknown>> | undefined {
    const value = this.get(key);
    if (value === undefined || value === null) return undefined;
    return isRecord(value) ? value : this.wrong(key, "is no object");
  }

  list(key: string): readonly unknown[] | undefined {
    const value = this.get(key);
    if (value === undefined || value === null) return undefined;
    return Array.isArray(value) ? value : this.wrong(key, "is no list");
  }

  activation(key: string): string | undefined {
    const value = String(this.get(key));
    const known = activations[value];
    return (
      known ??
      this.wrong(
        key,
        `is ${JSON.stringify(value)}, and the activations known are ${Object.keys(activations).join(", ")}`,
      )
    );
  }

  /** A switch that must stand where this language has no word for the other position. */
  expect(key: string, usual: unknown): void {
    const value = this.get(key);
    if (value !== undefined && value !== null && value !== usual) this.lost(`${key} = ${JSON.stringify(value)}`);
  }

  /** Names what the file says beyond what was read. */
  rest(): void {
    const range = this.config.initializer_range;
    if (typeof range === "number" && range !== 0.02)
      this.lost(`initializer_range = ${range} (new weights are drawn with 0.02)`);
    this.use("initializer_range");
    for (const [key, value] of Object.entries(this.config)) {
      if (this.#used.has(key) || silent.test(key)) continue;
      if (value === null || value === false || value === 0 || (Array.isArray(value) && value.length === 0)) continue;
      const shown = JSON.stringify(value);
      this.lost(meanings[key] ?? `${key} = ${shown.length > 60 ? `${shown.slice(0, 57)}…` : shown}`);
    }
  }
}
