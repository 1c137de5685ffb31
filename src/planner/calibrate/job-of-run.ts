/** A published run as numbers for the physics. */
import { stackOf } from "../../catalog/engines/index.js";
import type { StackTraits } from "../../catalog/types.js";
import { gathersWeights } from "../layout/index.js";
import type { Job, LayerCache, Layout, Numeric, Part, RankProfile } from "../time/job.js";
import { type Constants, defaultConstants, type Machine, ratesOf } from "../time/rates.js";
import type { ModelShape } from "../time/shape.js";
import { machineOfRun } from "./machine-of-run.js";
import { modelOfRun } from "./model-of-run.js";
import type { Run } from "./run.js";

/** Everything of a run but the constants: made once, used for each trial of a fit. */
export interface Prepared {
  readonly run: Run;
  readonly shape: ModelShape;
  readonly layout: Layout;
  readonly ranks: readonly RankProfile[];
  readonly machine: Machine;
  readonly stack: string;
  readonly traits: StackTraits;
  readonly compute: string;
  readonly known: boolean;
  readonly devices: number;
  readonly offload: Job["offload"];
  /** Bytes of optimizer state an element where the row names a smaller one than Adam in fp32. */
  readonly states?: number;
}

/** What a row's own words say of its software beyond the columns. */
export function toldOf(notes: string, traits: StackTraits): StackTraits {
  let told = traits;
  if (/(no|without) (comm\w*[ .-]?)?overlap/i.test(notes)) {
    const { fsdpPrefetch } = traits.overlap;
    told = { ...told, overlap: { dataParallel: 0, fsdpPrefetch, tensorParallel: 0, pipeline: 0, expert: 0 } };
  }
  if (/determinis\w*\s*[=:]?\s*(true|on|yes|1)/i.test(notes)) told = { ...told, deterministic: true };
  if (/row-?wise/i.test(notes)) told = { ...told, rowwise: true };
  return told;
}

/** What a row lacks to be predicted; undefined: nothing. */
export function lacks(run: Run): string | undefined {
  const missing = (["layers", "hidden", "seq_len"] as const).filter((k) => !(Number(run[k]) > 0));
  if (!(Number(run.micro_batch) > 0) && !(Number(run.global_batch) > 0)) return "lacks micro_batch and global_batch";
  return missing.length > 0 ? `lacks ${missing.join(", ")}` : undefined;
}

const shardOf = (text: string): Layout["shard"] => {
  const s = text.toLowerCase();
  if (/hsdp|hybrid.?shard/.test(s)) return "hsdp";
  // FSDP that keeps what it gathered until the backward is done.
  if (/grad.?op/.test(s)) return "zero2";
  if (/zero.?3|fsdp|full/.test(s)) return "zero3";
  if (/zero.?2/.test(s)) return "zero2";
  if (/zero.?1|distributed.?optim/.test(s)) return "zero1";
  return "none";
};

export function prepare(run: Run): Prepared {
  const tensor = run.tp ?? 1;
  const pipeline = run.pp ?? 1;
  const context = run.cp ?? 1;
  const gpus = run.gpus ?? tensor * pipeline * context * (run.dp ?? 1);
  const data = Math.max(1, run.dp ?? Math.floor(gpus / (tensor * pipeline * context)));
  const shard = shardOf(run.zero_or_fsdp ?? "none");
  const { machine, known: knownMachine } = machineOfRun({ ...run, gpus });
  const picked = stackOf(run.engine ?? "", {
    ...(run.compile === null || run.compile === undefined ? {} : { compiled: run.compile }),
    ...(run.flash_attention === null || run.flash_attention === undefined ? {} : { flash: run.flash_attention }),
    generation: machine.generation,
    sharded: gathersWeights(shard),
  });
  const microBatch = run.micro_batch ?? Math.max(1, Math.floor(run.global_batch! / data));
  const accumulation = Math.max(1, Math.round((run.global_batch ?? microBatch * data) / (microBatch * data)));
  const virtual = pipeline > 1 ? Math.max(1, run.vpp ?? 1) : 1;
  const replicas = data * context;
  const layout: Layout = {
    data,
    shard,
    shardGroup: shard === "zero3" ? replicas : shard === "hsdp" ? Math.min(replicas, machine.perNode) : 1,
    tensor,
    sequence: tensor > 1 && (run.sequence_parallel ?? !/2022|ampere/.test(picked.name)),
    pipeline,
    virtual,
    context,
    expert: Math.max(1, Math.min(run.ep ?? 1, run.experts ?? 1)),
    microBatch,
    accumulation,
    schedule: virtual > 1 ? "interleaved" : "1f1b",
    length: run.seq_len!,
  };
  const shape = modelOfRun(run);
  return {
    run,
    shape,
    layout,
    ranks: ranksOf(shape, layout, run.recompute ?? "none"),
    machine,
    stack: picked.name,
    traits: toldOf(run.notes ?? "", picked.traits),
    compute: (run.precision ?? "bf16").toLowerCase(),
    known: picked.known && knownMachine,
    devices: tensor * pipeline * context * data,
    offload: /offload/i.test(run.zero_or_fsdp ?? "") ? "optimizer" : "none",
    ...(/8.?bit.{0,12}(adam|optim)|adamw?_?.?8.?bit/i.test(run.notes ?? "") ? { states: 2 } : {}),
  };
}

/** Layers over ranks: equal, or with embedding and head counted as layers where that divides, else as even as can be. */
export function ranksOf(shape: ModelShape, layout: Layout, recompute: string): RankProfile[] {
  const layers = shape.stack.length - 2;
  const chunks = layout.pipeline * layout.virtual;
  const counts = new Array<number>(chunks).fill(Math.floor(layers / chunks));
  if (layers % chunks !== 0 && (layers + 2) % chunks === 0) {
    counts.fill((layers + 2) / chunks);
    counts[0]!--;
    counts[chunks - 1]!--;
  } else {
    // The middle takes what is left over.
    let rest = layers - counts.reduce((a, b) => a + b, 0);
    for (let i = 1; rest > 0; i++, rest--) counts[i % chunks]!++;
  }
  const modeOf = (): Part["mode"] =>
    /full|true|block|uniform/i.test(recompute)
      ? "full"
      : /select|attn|attention|op/i.test(recompute)
        ? "selective"
        : "none";
  const mode = modeOf();
  const byRank: Map<string, number>[] = Array.from({ length: layout.pipeline }, () => new Map());
  let next = 1;
  for (const [c, count] of counts.entries()) {
    const at = byRank[c % layout.pipeline]!;
    for (let i = 0; i < count; i++, next++) {
      const kind = shape.stack[next]!;
      at.set(kind, (at.get(kind) ?? 0) + 1);
    }
  }
  return byRank.map((kinds, rank) => {
    const parts: Part[] = [...kinds].map(([kind, count]) => ({ kind, mode, ops: [], offloaded: false, count }));
    const first = rank === 0;
    const last = rank === layout.pipeline - 1;
    if (first) parts.unshift({ kind: "embedding", mode: "none", ops: [], offloaded: false, count: 1 });
    if (last) parts.push({ kind: "head", mode: "none", ops: [], offloaded: false, count: 1 });
    return { parts, first, last };
  });
}

/** Bytes of training state, by stack and sharding. */
export function numericOf(traits: StackTraits, shard: Layout["shard"], devices: number, compute = "bf16"): Numeric {
  const byPrecision = traits.stateByPrecision?.[compute];
  const sharded = gathersWeights(shard);
  if (byPrecision !== undefined && !sharded) return { ...byPrecision, gather: 2, reduce: 2 };
  if (traits.state !== undefined && (sharded || devices === 1 || shard === "none"))
    return { ...traits.state, gather: 2, reduce: 4 };
  // FSDP keeps fp32 weights, which are the master copy.
  if (sharded) return { weights: 4, gradients: 4, optimizer: 8, gather: 2, reduce: traits.gradientBytes };
  return { weights: 2, gradients: traits.gradientBytes, optimizer: 12, gather: 2, reduce: traits.gradientBytes };
}

export function jobOf(p: Prepared, traits: StackTraits = p.traits, constants: Constants = defaultConstants): Job {
  const cache: LayerCache = new Map();
  const numeric = numericOf(traits, p.layout.shard, p.devices, p.compute);
  return {
    rates: ratesOf(p.machine, traits, p.compute, constants),
    shape: p.shape,
    layout: p.layout,
    ranks: p.ranks,
    numeric:
      p.states === undefined ? numeric : { ...numeric, optimizer: Math.max(0, numeric.optimizer - 8) + p.states },
    devices: p.devices,
    offload: p.offload,
    phases: [],
    answer: 0,
    logitsCopies: 1,
    cache,
  };
}
