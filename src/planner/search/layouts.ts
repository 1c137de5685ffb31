/** All layouts of a stage over so many devices: degrees, schedule, shard, micro-batch. What an engine cannot run is left out. */
import type { EngineCapabilities } from "../../catalog/types.js";
import type { ModelSpec, ParallelSettings, ScheduleKind, Shard } from "../../checker/pipeline.js";
import type { ParallelPlan } from "../plan.js";
import { scheduleKinds, scheduleTraits } from "../schedule/index.js";
import type { LayoutGroup } from "../types.js";
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

type Schedules = LayoutGroup["schedules"];
type Shards = LayoutGroup["shards"];

function schedulesOf(
  { settings, can, layers }: LayoutSpace,
  pipeline: number,
  accumulation: number,
  reject: (why: string) => void,
): Schedules {
  // Without a pipeline the order of micro-batches is always one forward, one backward.
  if (pipeline === 1)
    return allowed(settings.virtual, one).includes(1) ? [{ schedule: "1f1b" as ScheduleKind, virtual: 1 }] : [];
  const list: { schedule: ScheduleKind; virtual: number }[] = [];
  const kinds = allowed(
    settings.schedule,
    scheduleKinds.filter((k) => can.schedules.includes(k)),
  );
  for (const schedule of kinds) {
    const traits = scheduleTraits(schedule);
    const most = Math.min(traits.virtual.max, Math.floor(layers / pipeline));
    const virtuals = allowed(settings.virtual, upTo(most)).filter((v) => v >= traits.virtual.min && v <= most);
    for (const virtual of virtuals) {
      if (!can.unevenPipeline && layers % (pipeline * virtual) !== 0)
        reject("layers do not divide evenly over pipeline chunks");
      else if (traits.objection(pipeline, virtual, accumulation) !== undefined)
        reject(`too few or odd micro-batches for ${schedule}`);
      else list.push({ schedule, virtual });
    }
  }
  return list;
}

function shardsOf({ settings, can }: LayoutSpace, d: Degrees): Shards {
  const ranks = d.data * d.context;
  const possible = (["none", "zero1", "zero2", "zero3", "hsdp"] as const).filter((s) => can.shards.includes(s));
  const wanted: readonly Shard[] = allowed(settings.shard, possible);
  // One rank: all kinds of sharding are the same; report the plainest that the file allows.
  if (ranks === 1) {
    const plainest = wanted.find((shard) => shard === possible[0] || settings.shard.value.kind !== "auto");
    return plainest === undefined ? [] : [{ shard: plainest, shard_group: 1 }];
  }
  return wanted.flatMap((shard): { shard: Shard; shard_group: number }[] =>
    shard === "hsdp"
      ? allowed(settings.shardGroup, divisors(ranks))
          .filter((g) => ranks % g === 0 && g > 1 && g < ranks)
          .map((shard_group) => ({ shard, shard_group }))
      : [{ shard, shard_group: shard === "zero3" ? ranks : 1 }],
  );
}

/** Every layout, in groups; groups share their lists of schedules and of ways of sharding where those are the same. */
export function* groupsOf(space: LayoutSpace, count: number): Generator<LayoutGroup> {
  const { settings, can, globalBatch, contextLength } = space;
  const known = new Map<number, { readonly list: Schedules; readonly rejected: readonly string[] }>();
  const schedules = (pipeline: number, accumulation: number): Schedules => {
    const key = pipeline * 2 ** 32 + accumulation;
    let found = known.get(key);
    if (found === undefined) {
      const rejected: string[] = [];
      found = { list: schedulesOf(space, pipeline, accumulation, (why) => rejected.push(why)), rejected };
      known.set(key, found);
    }
    if (space.reject !== undefined) for (const why of found.rejected) space.reject(why);
    return found.list;
  };
  for (const d of degrees(space)) {
    if (globalBatch % d.data !== 0) {
      space.reject?.("batch does not divide over data-parallel ranks");
      continue;
    }
    const perRank = globalBatch / d.data;
    const shards = shardsOf(space, d);
    if (shards.length === 0) continue;
    // Sequence parallelism has the same traffic as plain tensor parallelism and less memory: it is on wherever it can be.
    const sequences = new Set(allowed(settings.sequence, [can.sequence]).map((s) => s && d.tensor > 1));
    const experts = expertDegrees(space, d);
    for (const micro_batch of allowed(settings.microBatch, divisors(perRank))) {
      if (perRank % micro_batch !== 0) {
        space.reject?.("batch does not divide by the micro-batch");
        continue;
      }
      const accumulation = perRank / micro_batch;
      const list = schedules(d.pipeline, accumulation);
      if (list.length === 0) continue;
      for (const sequence of sequences) {
        for (const expert of experts) {
          const parallel: ParallelPlan = {
            data: d.data,
            ...shards[0]!,
            tensor: d.tensor,
            sequence,
            pipeline: d.pipeline,
            ...list[0]!,
            context: d.context,
            expert,
            micro_batch,
            accumulation,
          };
          yield { count, contextLength, globalBatch, parallel, shards, schedules: list };
        }
      }
    }
  }
}

/** Every layout, spelt out. */
export function* layouts(space: LayoutSpace): Generator<ParallelPlan> {
  for (const { parallel, shards, schedules } of groupsOf(space, 1))
    for (const schedule of schedules) for (const shard of shards) yield { ...parallel, ...shard, ...schedule };
}
