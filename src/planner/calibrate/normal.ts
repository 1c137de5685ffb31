/** Anyone's row as a `Run`: numbers that are numbers, text that is text; what is neither counts as not said. */
import type { Run } from "./run.js";

/** Whole numbers, and what no run exceeds: larger is a slip of the pen, and would only cost memory here. */
const counts = {
  layers: 2000,
  hidden: 1e6,
  heads: 1e5,
  kv_heads: 1e5,
  ffn: 1e7,
  vocab: 1e8,
  seq_len: 1e9,
  experts: 1e5,
  experts_per_token: 1e4,
  moe_ffn: 1e7,
  gpus: 1e7,
  gpus_per_node: 1e4,
  tp: 1e4,
  pp: 1024,
  vpp: 1024,
  cp: 1e5,
  ep: 1e5,
  dp: 1e7,
  micro_batch: 1e7,
  global_batch: 1e9,
} as const satisfies Partial<Record<keyof Run, number>>;
const amounts = [
  "params_b",
  "measured_iteration_s",
  "measured_tokens_per_s_per_gpu",
  "measured_peak_memory_gib_per_gpu",
] as const satisfies readonly (keyof Run)[];
const texts = [
  "source",
  "engine",
  "outcome",
  "method",
  "model_name",
  "gpu",
  "interconnect",
  "zero_or_fsdp",
  "precision",
  "recompute",
  "memory_kind",
  "notes",
] as const satisfies readonly (keyof Run)[];
const flags = [
  "tied_embeddings",
  "gated_mlp",
  "sequence_parallel",
  "flash_attention",
  "compile",
] as const satisfies readonly (keyof Run)[];

function positive(value: unknown, most = 1e12): number | null {
  const x = typeof value === "number" ? value : typeof value === "string" && value.trim() !== "" ? Number(value) : 0;
  return Number.isFinite(x) && x > 0 && x <= most ? x : null;
}

function textOf(value: unknown): string | null {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return null;
}

function flagOf(value: unknown): boolean | null {
  if (typeof value === "boolean") return value;
  if (value === 1 || /^(true|yes|on)$/i.test(String(value))) return true;
  if (value === 0 || /^(false|no|off)$/i.test(String(value))) return false;
  return null;
}

export function normalRun(row: Run): Run {
  const out: Record<string, unknown> = { id: textOf(row.id) ?? "" };
  for (const [k, most] of Object.entries(counts)) {
    const x = positive(row[k as keyof Run], most);
    out[k] = x === null ? null : Math.max(1, Math.round(x));
  }
  for (const k of amounts) out[k] = positive(row[k]);
  for (const k of texts) out[k] = textOf(row[k]);
  for (const k of flags) out[k] = flagOf(row[k]);
  return out as unknown as Run;
}
