/** A published run, as `runs.jsonl` has it (one object a line). Absent or null: the source does not say. */
export interface Run {
  readonly id: string;
  readonly source?: string | null;
  readonly engine?: string | null;
  readonly outcome?: string | null;
  readonly method?: string | null;
  readonly model_name?: string | null;
  readonly params_b?: number | null;
  readonly layers?: number | null;
  readonly hidden?: number | null;
  readonly heads?: number | null;
  readonly kv_heads?: number | null;
  readonly ffn?: number | null;
  readonly vocab?: number | null;
  readonly seq_len?: number | null;
  readonly tied_embeddings?: boolean | null;
  readonly gated_mlp?: boolean | null;
  readonly experts?: number | null;
  readonly experts_per_token?: number | null;
  readonly moe_ffn?: number | null;
  readonly gpu?: string | null;
  readonly gpus?: number | null;
  readonly gpus_per_node?: number | null;
  readonly interconnect?: string | null;
  readonly tp?: number | null;
  readonly pp?: number | null;
  readonly vpp?: number | null;
  readonly cp?: number | null;
  readonly ep?: number | null;
  readonly dp?: number | null;
  readonly zero_or_fsdp?: string | null;
  readonly sequence_parallel?: boolean | null;
  readonly flash_attention?: boolean | null;
  readonly compile?: boolean | null;
  readonly micro_batch?: number | null;
  readonly global_batch?: number | null;
  readonly precision?: string | null;
  readonly recompute?: string | null;
  readonly measured_iteration_s?: number | null;
  readonly measured_tokens_per_s_per_gpu?: number | null;
  readonly measured_peak_memory_gib_per_gpu?: number | null;
  readonly memory_kind?: string | null;
  readonly notes?: string | null;
}

/** Seconds of a step as measured, directly or from tokens per second and device. */
export function measuredSeconds(run: Run): number | undefined {
  if (typeof run.measured_iteration_s === "number" && run.measured_iteration_s > 0) return run.measured_iteration_s;
  const rate = run.measured_tokens_per_s_per_gpu;
  if (typeof rate !== "number" || rate <= 0 || !run.global_batch || !run.seq_len || !run.gpus) return undefined;
  return (run.global_batch * run.seq_len) / rate / run.gpus;
}

/** What the figure of memory counts. */
export type MemoryKind = "allocated" | "reserved" | "driver";

export function memoryKind(run: Run): MemoryKind {
  const text = (run.memory_kind ?? "").toLowerCase();
  if (/nvidia-smi|driver|rocm-smi|nvml|context|dcgm|wandb|system\/gpu/.test(text)) return "driver";
  if (/max_memory_allocated|allocat/.test(text) && !/^\W*reserved/.test(text)) return "allocated";
  if (/reserved|torchtitan/.test(text)) return "reserved";
  return "allocated";
}
