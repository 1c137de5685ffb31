/** A small model graph and cost model with the contract of the real ones, for testing the search alone. */
import { check, type Pipeline } from "../../src/checker/index.js";
import { bundledHardware } from "../../src/hardware/index.js";
import type { LayerKind, ModelGraph } from "../../src/model/graph.js";
import { parse } from "../../src/parser/index.js";
import { noRanks, withRank } from "../../src/planner/extremes.js";
import { scheduleTraits } from "../../src/planner/schedule/index.js";
import type { BuildModel } from "../../src/planner/search/problem.js";
import type {
  Candidate,
  CostModel,
  Extremes,
  HeldLayers,
  LayerCost,
  RankFigures,
  RankLoad,
  StageContext,
} from "../../src/planner/types.js";

export const hardware = bundledHardware();

export function pipelineOf(text: string): Pipeline {
  const { value: ast, diagnostics } = parse({ path: "main.llmp", text });
  const checked = check(ast!, { read: (p) => (p === "main.llmp" ? text : undefined), glob: () => [], now: () => 0 });
  const errors = [...diagnostics, ...checked.diagnostics].filter((d) => d.severity === "error");
  if (checked.value === undefined || errors.length > 0) throw new Error(errors.map((d) => d.message).join("\n"));
  return checked.value;
}

const op = (id: string, kind: string, module: string, flopsPerToken: number, pair = 0) => ({
  id,
  kind,
  module,
  inputs: [],
  outputs: [],
  weights: [],
  saves: [],
  flopsPerToken,
  flopsPerTokenPair: pair,
  backwardRatio: 2,
  attrs: {},
  splitBy: "tensor",
});

export const build: BuildModel = (pipeline, name) => {
  const m = pipeline.models[name]!;
  const h = m.hidden.value;
  const f = m.ffn.value;
  const layers = m.layers.value;
  const attention = 4 * h * h;
  const mlp = 3 * h * f;
  const weight = (name: string, shape: number[]) => ({
    name,
    shape,
    split: { tensor: 0 },
    trainable: true,
    decay: true,
    init: { kind: "zeros" },
    copies: 1,
  });
  const kind = (id: string, ops: unknown[], weights: Record<string, unknown>): LayerKind =>
    ({ id, ops, tensors: {}, weights, input: "x", output: "y" }) as unknown as LayerKind;
  const vocab = m.vocab.value;
  const kinds = {
    embedding: kind("embedding", [op("embed", "embedding", "embedding", 0)], { e: weight("embed", [vocab, h]) }),
    dense: kind(
      "dense",
      [
        op("attn.core", "attention", "attention", 0, 4 * h),
        op("attn.proj", "linear", "attention", 2 * attention),
        op("mlp.up", "linear", "mlp", 2 * mlp),
        op("mlp.act", "gated_activation", "mlp", 0),
      ],
      { a: weight("attn", [4 * h, h]), m: weight("mlp", [3 * f, h]) },
    ),
    head: kind("head", [op("head", "linear", "head", 2 * vocab * h)], { w: weight("head", [vocab, h]) }),
  };
  const parameters = layers * (attention + mlp) + 2 * vocab * h;
  return {
    schema: "llmp.graph/1",
    model: name,
    architecture: "llama",
    kinds,
    stack: ["embedding", ...new Array<string>(layers).fill("dense"), "head"],
    parameters,
    activeParameters: parameters,
    trainableParameters: parameters,
    kvBytesPerToken: 4 * h,
    hidden: h,
    vocab,
  } as ModelGraph;
};

/** Knobs of the stand-in world, so that random worlds differ in what wins. */
export interface World {
  readonly efficiency: number;
  readonly savedPerFeature: number;
  readonly latency: number;
}

export const plainWorld: World = { efficiency: 0.5, savedPerFeature: 34, latency: 1e-5 };

export function standIn(world: World = plainWorld): CostModel {
  const caches = new Map<StageContext, Map<string, Map<number, LayerCost>>>();
  const layerCost: CostModel["layerCost"] = (context, kind, { parallel: p, contextLength }) => {
    const byKind = caches.get(context) ?? new Map<string, Map<number, LayerCost>>();
    caches.set(context, byKind);
    const cache = byKind.get(kind) ?? new Map<number, LayerCost>();
    byKind.set(kind, cache);
    const key = ((p.tensor * 65536 + p.context) * 65536 + p.micro_batch) * 16 + Math.log2(contextLength) / 2;
    const known = cache.get(key);
    if (known !== undefined) return known;
    const tokens = (p.micro_batch * contextLength) / p.context;
    const rate = (context.accelerator.peakFlops.bf16 ?? 1e12) * world.efficiency;
    const ops = context.policy.kinds[kind]!.ops.map((o) => {
      const flops = tokens * (o.flopsPerToken + (o.flopsPerTokenPair * contextLength) / 2);
      return {
        id: o.id,
        module: o.module,
        savedBytes:
          kind === "dense" ? (tokens * context.policy.hidden * world.savedPerFeature) / 4 / p.tensor : tokens * 4,
        forwardSeconds: flops / p.tensor / rate,
        needs: [],
      };
    });
    const forwardSeconds = ops.reduce((s, o) => s + o.forwardSeconds, 0);
    const comm =
      p.tensor > 1
        ? (tokens * context.policy.hidden * 4) / context.accelerator.intraBandwidth + world.latency * p.tensor
        : 0;
    const ring = p.context > 1 ? world.latency * p.context : 0;
    const elements = Object.values(context.policy.kinds[kind]!.weights).reduce(
      (s, w) => s + w.shape.reduce((a, b) => a * b, 1),
      0,
    );
    const cost: LayerCost = {
      kind,
      forwardSeconds,
      backwardSeconds: 2 * forwardSeconds,
      forwardCommSeconds: kind === "dense" ? comm + ring : 0,
      backwardCommSeconds: kind === "dense" ? comm + ring : 0,
      savedBytes: ops.reduce((s, o) => s + o.savedBytes, 0),
      inputBytes: (tokens * context.policy.hidden * 2) / p.tensor,
      forwardTemporaryBytes: 0,
      backwardTemporaryBytes: 0,
      ops,
      parameters: [elements / p.tensor, 0],
      expertParameters: 0,
    };
    cache.set(key, cost);
    return cost;
  };
  const states = (p: Candidate["parallel"], elements: number): number => {
    const n = p.data * p.context;
    const group = p.shard === "hsdp" ? p.shard_group : n;
    const split = (on: boolean): number => (on ? group : 1);
    const atLeast = { none: 0, zero1: 1, zero2: 2, zero3: 3, hsdp: 3 }[p.shard];
    return elements * (2 / split(atLeast >= 3) + 4 / split(atLeast >= 2) + 12 / split(atLeast >= 1));
  };
  const gradientSeconds = (
    context: StageContext,
    p: Candidate["parallel"],
    count: number,
    elements: number,
  ): number => {
    const n = p.data * p.context;
    if (n === 1) return 0;
    const bandwidth =
      count > 1
        ? context.instance.networkBandwidth / context.instance.accelerators
        : context.accelerator.intraBandwidth;
    const passes = p.shard === "zero3" || p.shard === "hsdp" ? 3 : 2;
    return (elements * 2 * passes) / Math.max(bandwidth, 1e9) + world.latency * n;
  };
  type Of = Pick<Candidate, "count" | "contextLength" | "parallel">;
  const load = (
    context: StageContext,
    c: Of,
    rank: number,
    layers: readonly Pick<HeldLayers, "kind" | "mode" | "ops" | "count">[],
  ): RankFigures => {
    const p = c.parallel;
    let own = 0;
    let seconds = 0;
    let plain = 0;
    let kept = 0;
    let extra = 0;
    for (const { kind, mode, ops, count } of layers) {
      const cost = layerCost(context, kind, c);
      own += count * cost.parameters[0];
      let one = cost.forwardSeconds + cost.backwardSeconds + cost.forwardCommSeconds + cost.backwardCommSeconds;
      let saved = cost.savedBytes;
      if (mode === "full") {
        saved = cost.inputBytes;
        one += cost.forwardSeconds + cost.forwardCommSeconds;
      } else if (mode === "ops") {
        for (const o of cost.ops.filter((x) => ops.includes(x.id))) {
          saved -= o.savedBytes;
          one += o.forwardSeconds;
        }
      }
      seconds += count * one;
      plain += count * cost.backwardSeconds;
      kept += count * saved;
      extra = Math.max(extra, cost.savedBytes - saved);
    }
    const held = scheduleTraits(p.schedule).inFlight(rank, p.pipeline, p.virtual, p.accumulation) / p.virtual;
    const peakBytes = states(p, own) + kept * held + extra;
    return { peakBytes, seconds, plain, again: 0, trainable: own, dense: own, expert: 0 };
  };
  const figures = (context: StageContext, c: Candidate): RankFigures[] =>
    Array.from({ length: c.parallel.pipeline }, (_, rank) =>
      load(
        context,
        c,
        rank,
        c.chunks
          .filter((x) => x.rank === rank)
          .flatMap((x) =>
            Array.from({ length: x.last - x.first + 1 }, (_, i) => {
              const { mode, ops } = c.recompute[x.first + i]!;
              return { kind: context.policy.stack[x.first + i]!, mode, ops, count: 1 };
            }),
          ),
      ),
    );
  const loads = (context: StageContext, c: Candidate): { ranks: RankLoad[] } => ({
    ranks: figures(context, c).map((r) => ({ peakBytes: r.peakBytes, microBatchSeconds: r.seconds })),
  });
  const seconds = (context: StageContext, c: Of, x: Extremes): number => {
    const p = c.parallel;
    const bubble = ((p.pipeline - 1) / p.virtual) * (x.sum / p.pipeline);
    const hops = p.pipeline > 1 ? world.latency * p.accumulation * p.virtual : 0;
    return x.slowest * p.accumulation + bubble + hops + gradientSeconds(context, p, c.count, x.trainable);
  };
  const capacityOf = (context: StageContext): number =>
    context.instance.acceleratorMemoryBytes ?? context.accelerator.memoryBytes;
  return {
    layerCost,
    evaluate: (context, c) => {
      const all = figures(context, c);
      const stepSeconds = seconds(context, c, all.reduce(withRank, noRanks));
      const peakBytes = Math.max(...all.map((r) => r.peakBytes));
      const ranks = all.map((r) => ({ peakBytes: r.peakBytes, microBatchSeconds: r.seconds }));
      return { fits: peakBytes <= capacityOf(context), peakBytes, stepSeconds, ranks };
    },
    splitting: (context, of) => {
      const { stack } = context.policy;
      const edge = (kind: string) => ({ kind, mode: "none" as const, ops: [], count: 1 });
      return {
        roomBytes: capacityOf(context),
        load: (rank, layers, first, last) =>
          load(context, of, rank, [
            ...(first ? [edge(stack[0]!)] : []),
            ...layers,
            ...(last ? [edge(stack.at(-1)!)] : []),
          ]),
        stepSeconds: (x) => seconds(context, of, x),
      };
    },
    lowerBound: (context, partial) => {
      const p = partial.parallel;
      let seconds = 0;
      let elements = 0;
      const layers = context.policy.stack.length - 2;
      for (const kind of ["embedding", "dense", "head"]) {
        const cost = layerCost(context, kind, partial);
        const n = kind === "dense" ? layers : 1;
        seconds +=
          n * (cost.forwardSeconds + cost.backwardSeconds + cost.forwardCommSeconds + cost.backwardCommSeconds);
        elements += n * cost.parameters[0];
      }
      const mean = seconds / p.pipeline;
      return {
        stepSeconds: mean * (p.accumulation + (p.pipeline - 1) / p.virtual),
        peakBytes: states(p, elements) / p.pipeline,
      };
    },
    memoryPlan: (context, c) => {
      const { ranks } = loads(context, c);
      const peak = Math.max(...ranks.map((r) => r.peakBytes));
      const capacity = context.instance.acceleratorMemoryBytes ?? context.accelerator.memoryBytes;
      const breakdown = [{ what: "all", bytes: peak }];
      return {
        peak_bytes: peak,
        reserved_bytes: peak,
        driver_bytes: peak,
        capacity_bytes: capacity,
        fits: peak <= capacity,
        host_bytes: 0,
        disk_bytes: 0,
        peak_at: "rank 0",
        breakdown,
        ranks: ranks.map((r, rank) => ({
          rank,
          peak_bytes: r.peakBytes,
          breakdown: [{ what: "all", bytes: r.peakBytes }],
        })),
        timeline: [],
      };
    },
    timePlan(context, c) {
      const { stepSeconds } = standIn(world).evaluate(context, c);
      const tokens = c.globalBatch * c.contextLength;
      const devices = c.count * context.instance.accelerators;
      return {
        step_seconds: stepSeconds,
        tokens_per_second: tokens / stepSeconds,
        tokens_per_second_per_device: tokens / stepSeconds / devices,
        mfu: 0.4,
        breakdown: [{ what: "compute", seconds: stepSeconds }],
        schedule: [],
      };
    },
  };
}

export const tools = (world?: World) => {
  const model = standIn(world);
  return { build, modelFor: () => model };
};

export interface Text {
  readonly layers?: number;
  readonly hidden?: number;
  readonly heads?: number;
  readonly instance?: string;
  readonly count?: string;
  readonly pricing?: string;
  readonly batch?: string;
  readonly context?: string;
  readonly parallel?: string;
  readonly recompute?: string;
  readonly engine?: string;
  readonly budget?: string;
  readonly save?: string;
}

export const fileText = (t: Text): string => `
dataset web { source = "s3://b/x/*.parquet", field = "text", tokens = 10B }
model m {
  architecture = llama
  layers = ${t.layers ?? 8}
  hidden = ${t.hidden ?? 1024}
  heads = ${t.heads ?? 8}
  kv_heads = ${t.heads ?? 8}
  ffn = ${(t.hidden ?? 1024) * 3}
  vocab = 32000
  context_length = ${t.context ?? "4Ki"}
}
cluster c {
  provider = slurm
  instance = ${t.instance ?? "p5.48xlarge"}
  count = ${t.count ?? "1"}
  pricing = ${t.pricing ?? "on_demand"}
}
train base {
  objective = pretrain
  model = m
  data = web
  tokens = 1B
  batch = ${t.batch ?? "64 sequences"}
  precision = bf16
  parallel = ${t.parallel ?? "auto"}
  recompute = ${t.recompute ?? "auto"}
  engine = ${t.engine ?? "megatron"}
  on = c
  save = ${t.save ?? "every 30min"}
}
${t.budget ?? ""}
`;
