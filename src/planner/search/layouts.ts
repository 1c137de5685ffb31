/** All layouts of a stage over so many devices: degrees, schedule, shard, micro-batch. What an engine cannot run is left out. */
import type { EngineCapabilities } from "../../catalog/types.js";
import type { ModelSpec, ParallelSettings, ScheduleKind, Shard } from "../../checker/pipeline.js";
import type { ParallelPlan } from "../plan.js";
import { scheduleKinds, scheduleTraits } from "../schedule/index.js";
import { allowed, divisors } from "./space.js";

export interface LayoutSpace {
  readonly settings: ParallelSettings;
  readonly can: EngineCapabilities;
  readonly spec: ModelSpec;
  /** Layers between embedding and head. */
  readonly layers: number;
  readonly devices: number;
  readonly contextLength: number;
  /** Sequences per optimizer step. */
  readonly globalBatch: number;
  /** Counts what was left out, and why. */
  readonly reject?: (why: string) => void;
}

const one = [1] as const;
const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);

/** Degrees that split the model; the rest of a layout follows from them. */
export interface Degrees {
  readonly tensor: number;
  readonly pipeline: number;
  readonly context: number;
  readonly data: number;
}

export function* degrees(space: LayoutSpace): Generator<Degrees> {
  const { settings, can, spec, devices, contextLength } = space;
  const heads = spec.heads.value;
  const kv = spec.mla === undefined ? spec.kvHeads.value : heads;
  const tensors = allowed(settings.tensor, can.tensor ? divisors(devices) : one).filter(
    (t) => devices % t === 0 && heads % t === 0 && kv % t === 0,
  );
  for (const tensor of tensors) {
    const afterTensor = devices / tensor;
    const pipelines = allowed(settings.pipeline, can.pipeline ? divisors(afterTensor) : one);
    for (const pipeline of pipelines) {
      if (afterTensor % pipeline !== 0 || pipeline > space.layers) continue;
      const afterPipeline = afterTensor / pipeline;
      // Ring attention over a causal mask gives each rank two slices, so that all have the same work (Llama 3, section 3.3.2).
      const contexts = allowed(settings.context, can.context ? divisors(afterPipeline) : one);
      for (const context of contexts) {
        if (afterPipeline % context !== 0 || (context > 1 && contextLength % (2 * context) !== 0)) continue;
        const data = afterPipeline / context;
        if (!allowed(settings.data, [data]).includes(data)) continue;
        yield { tensor, pipeline, context, data };
      }
    }
  }
}

function expertDegrees(space: LayoutSpace, d: Degrees): readonly number[] {
  const { settings, can, spec } = space;
  if (spec.moe === undefined) return allowed(settings.expert, one).filter((e) => e === 1);
  const ranks = d.data * d.context * d.tensor;
  const possible = can.expert ? divisors(spec.moe.experts.value) : one;
  return allowed(settings.expert, possible).filter((e) => ranks % e === 0);
}

function* schedules(
  space: LayoutSpace,
  pipeline: number,
  accumulation: number,
): Generator<{ schedule: ScheduleKind; virtual: number }> {
  const { settings, can, layers } = space;
  if (pipeline === 1) {
    // Without a pipeline the order of micro-batches is always one forward, one backward.
    if (allowed(settings.virtual, one).includes(1)) yield { schedule: "1f1b", virtual: 1 };
    return;
  }
  const kinds = allowed(
    settings.schedule,
    scheduleKinds.filter((k) => can.schedules.includes(k)),
  );
  for (const schedule of kinds) {
    const traits = scheduleTraits(schedule);
    const most = Math.min(traits.virtual.max, Math.floor(layers / pipeline));
    const virtuals = allowed(settings.virtual, upTo(most)).filter((v) => v >= traits.virtual.min && v <= most);
    for (const virtual of virtuals) {
      if (!can.unevenPipeline && layers % (pipeline * virtual) !== 0) {
        space.reject?.("layers do not divide evenly over pipeline chunks");
        continue;
      }
      if (traits.objection(pipeline, virtual, accumulation) !== undefined) {
        space.reject?.(`too few or odd micro-batches for ${schedule}`);
        continue;
      }
      yield { schedule, virtual };
    }
  }
}

function* shards(space: LayoutSpace, d: Degrees): Generator<{ shard: Shard; shard_group: number }> {
  const { settings, can } = space;
  const ranks = d.data * d.context;
  const possible = (["none", "zero1", "zero2", "zero3", "hsdp"] as const).filter((s) => can.shards.includes(s));
  for (const shard of allowed(settings.shard, possible)) {
    if (ranks === 1) {
      // One rank: all kinds of sharding are the same; report the plainest that the file allows.
      if (shard === possible[0] || settings.shard.value.kind !== "auto") {
        yield { shard, shard_group: 1 };
        return;
      }
      continue;
    }
    if (shard === "hsdp") {
      const groups = allowed(settings.shardGroup, divisors(ranks)).filter((g) => ranks % g === 0);
      for (const shard_group of groups) if (shard_group > 1 && shard_group < ranks) yield { shard, shard_group };
    } else yield { shard, shard_group: shard === "zero3" ? ranks : 1 };
  }
}

/** Every layout with these degrees. */
export function* layoutsOf(space: LayoutSpace, d: Degrees): Generator<ParallelPlan> {
  const { settings, can, globalBatch } = space;
  if (globalBatch % d.data !== 0) {
    space.reject?.("batch does not divide over data-parallel ranks");
    return;
  }
  const perRank = globalBatch / d.data;
  // Sequence parallelism has the same traffic as plain tensor parallelism and less memory: it is on wherever it can be.
  const sequence = allowed(settings.sequence, [d.tensor > 1 && can.sequence]);
  for (const expert of expertDegrees(space, d)) {
    for (const micro_batch of allowed(settings.microBatch, divisors(perRank))) {
      if (perRank % micro_batch !== 0) {
        space.reject?.("batch does not divide by the micro-batch");
        continue;
      }
      const accumulation = perRank / micro_batch;
      for (const { schedule, virtual } of schedules(space, d.pipeline, accumulation)) {
        for (const { shard, shard_group } of shards(space, d)) {
          for (const s of sequence) {
            yield {
              data: d.data,
              shard,
              shard_group,
              tensor: d.tensor,
              sequence: s && d.tensor > 1,
              pipeline: d.pipeline,
              virtual,
              context: d.context,
              expert,
              micro_batch,
              accumulation,
              schedule,
            };
          }
        }
      }
    }
  }
}

export function* layouts(space: LayoutSpace): Generator<ParallelPlan> {
  for (const d of degrees(space)) yield* layoutsOf(space, d);
}
