import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Adapter } from "../../checker/pipeline.js";
import type { ModelGraph } from "../../model/graph.js";
import type { NamedTensor } from "../interfaces.js";
import {
  concreteWeights,
  joinSlices,
  mergeAdapter,
  splitAdapter,
  writeAdapter,
  writeWeights,
} from "../weights/index.js";

export interface ExportOptions {
  readonly folder: string;
  /** `config.json`, `tokenizer.json`… by name. */
  readonly files: Readonly<Record<string, string>>;
  readonly adapter?: Adapter;
  /** What PEFT records as `base_model_name_or_path`. */
  readonly baseModel?: string;
  readonly dtype?: "F32" | "BF16" | "F16";
}

/**
 * A folder that `transformers` loads: safetensors, configuration, tokenizer. An adapter is merged into the weights, and
 * kept beside them in PEFT's format (`adapter/`). Replaces an older one only when it is whole.
 */
export function exportModel(weights: readonly NamedTensor[], graph: ModelGraph, options: ExportOptions): string {
  const { folder, adapter } = options;
  const temporary = `${folder}.partial`;
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { recursive: true });
  const { base, lora } = splitAdapter(weights);
  const merged = adapter !== undefined && lora.length > 0 ? mergeAdapter(base, lora, adapter, graph) : base;
  const tied = new Set(
    concreteWeights(graph)
      .filter((w) => w.tiedTo !== undefined)
      .map((w) => w.name),
  );
  writeWeights(
    temporary,
    joinSlices(
      merged.filter((w) => !tied.has(w.name)),
      graph,
    ),
    options.dtype === undefined ? {} : { dtype: options.dtype },
  );
  if (adapter !== undefined && lora.length > 0)
    writeAdapter(join(temporary, "adapter"), lora, adapter, options.baseModel ?? "", graph);
  for (const [name, text] of Object.entries(options.files)) {
    mkdirSync(dirname(join(temporary, name)), { recursive: true });
    writeFileSync(join(temporary, name), text, { flush: true });
  }
  if (existsSync(folder)) rmSync(folder, { recursive: true, force: true });
  renameSync(temporary, folder);
  return folder;
}
