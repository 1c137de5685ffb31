/**
 * A stage's plan at a size that this machine computes in seconds: every axis of its mesh at degree 2, a few narrow layers of
 * every kind, and of each the recomputation, the split of the stack and the schedule that the plan has.
 */
import type { Adapter, Known, MlaSpec, ModelSpec, MoeSpec, Pipeline, Stage } from "../../../checker/pipeline.js";
import type { ModelGraph } from "../../../model/graph.js";
import { buildModel } from "../../../model/index.js";
import { toChunks } from "../../../planner/layout/index.js";
import type { LayoutPlan, ParallelPlan, RecomputeLayer, StagePlan } from "../../../planner/plan.js";
import { sharesWeights } from "../../../program/index.js";
import { besideOf } from "../../train/beside.js";
import type { Lesson } from "./steps.js";

export interface Shrunk {
  readonly graph: ModelGraph;
  readonly parallel: ParallelPlan;
  readonly chunks: LayoutPlan["chunks"];
  readonly recompute: readonly RecomputeLayer[];
  readonly contextLength: number;
  /** Reference or teacher, where the objective has one. */
  readonly beside?: NonNullable<Lesson["beside"]>;
}

const two = (degree: number): number => Math.min(2, degree);
const at = <T>(setting: Known<T>, value: T): Known<T> => ({ ...setting, value });
const most = (setting: Known<number>, limit: number): Known<number> => at(setting, Math.min(setting.value, limit));

export function shrinkParallel(p: ParallelPlan): ParallelPlan {
  const context = two(p.context);
  // Two groups of two, where groups of ranks share a copy each.
  const data = p.shard === "hsdp" ? 4 / context : two(p.data);
  const ranks = data * context;
  const pipeline = two(p.pipeline);
  return {
    data,
    shard: p.shard,
    shard_group: p.shard === "hsdp" ? 2 : p.shard === "zero3" ? ranks : 1,
    tensor: two(p.tensor),
    sequence: p.sequence,
    pipeline,
    virtual: two(p.virtual),
    context,
    expert: Math.min(two(p.expert), ranks),
    micro_batch: two(p.micro_batch),
    // Enough for every schedule's steady state.
    accumulation: pipeline > 1 ? 4 : two(p.accumulation),
    schedule: p.schedule,
  };
}

const headDim = 8;
/** Weights in 4 bits have whole blocks of 64 in each half of a row. */
const width = (adapter: Adapter | undefined): number => (adapter?.kind.value === "qlora" ? 128 : 32);

function shrinkModel(m: ModelSpec, layers: number, contextLength: number, hidden: number): ModelSpec {
  const heads = hidden / headDim;
  const grouped = m.kvHeads.value < m.heads.value;
  return {
    ...m,
    layers: at(m.layers, layers),
    hidden: at(m.hidden, hidden),
    heads: at(m.heads, heads),
    kvHeads: at(m.kvHeads, grouped ? heads / 2 : heads),
    headDim: at(m.headDim, headDim),
    ffn: at(m.ffn, hidden === 32 ? 48 : hidden),
    vocab: at(m.vocab, 96),
    contextLength: at(m.contextLength, contextLength),
    dropout: at(m.dropout, 0 as ModelSpec["dropout"]["value"]),
    slidingPattern: most(m.slidingPattern, 2),
    ...(m.slidingWindow === undefined ? {} : { slidingWindow: at(m.slidingWindow, 6) }),
    ...(m.queryScale === undefined ? {} : { queryScale: at(m.queryScale, headDim) }),
    ...(m.ropeScaling === undefined
      ? {}
      : { ropeScaling: at(m.ropeScaling, { ...m.ropeScaling.value, originalContext: contextLength / 2 }) }),
    ...(m.moe === undefined ? {} : { moe: shrinkExperts(m.moe) }),
    ...(m.mla === undefined ? {} : { mla: shrinkLatent(m.mla) }),
  };
}

const shrinkExperts = (e: MoeSpec): MoeSpec => ({
  ...e,
  experts: most(e.experts, 4),
  expertsPerToken: most(e.expertsPerToken, 2),
  moeFfn: at(e.moeFfn, 16),
  sharedFfn: most(e.sharedFfn, 16),
  denseLayers: most(e.denseLayers, 1),
  moeEvery: most(e.moeEvery, 2),
  groups: most(e.groups, 2),
  groupsPerToken: most(e.groupsPerToken, 1),
});

const shrinkLatent = (a: MlaSpec): MlaSpec => ({
  ...a,
  qRank: most(a.qRank, 16),
  kvRank: most(a.kvRank, 16),
  ropeHeadDim: at(a.ropeHeadDim, 4),
  nopeHeadDim: at(a.nopeHeadDim, 8),
  valueHeadDim: at(a.valueHeadDim, 8),
});

/** Layers of each chunk: two, or one in the chunks that have the fewest. */
function sizesOf(chunks: LayoutPlan["chunks"], parts: number): readonly number[] {
  const sizes = chunks.map((c) => c.last - c.first + 1);
  const inner = sizes.map((n, i) => n - (i === 0 ? 1 : 0) - (i === sizes.length - 1 ? 1 : 0));
  const uneven = new Set(inner).size > 1;
  return Array.from({ length: parts }, (_, i) =>
    uneven && inner[like(i, parts, chunks.length)] === Math.min(...inner) ? 1 : 2,
  );
}

/** Index among `many` that `i` of `few` stands for. */
const like = (i: number, few: number, many: number): number =>
  few === 1 ? 0 : Math.round((i * (many - 1)) / (few - 1));

export function shrink(pipeline: Pipeline, stage: Stage, plan: StagePlan): Shrunk {
  const parallel = shrinkParallel(plan.parallel);
  const parts = parallel.pipeline * parallel.virtual;
  const sizes = sizesOf(plan.layout.chunks, parts);
  const layers = sizes.reduce((a, b) => a + b, 0);
  const contextLength = 16 * parallel.context;
  const { model } = stage;
  const adapter = stage.adapter === undefined ? undefined : pipeline.adapters[stage.adapter.value];
  const hidden = width(adapter);
  const beside = besideOf(pipeline, stage);
  const small: Pipeline = {
    ...pipeline,
    models: {
      ...pipeline.models,
      [model.value]: shrinkModel(pipeline.models[model.value]!, layers, contextLength, hidden),
      ...(beside === undefined || beside.model === model.value
        ? {}
        : { [beside.model]: shrinkModel(pipeline.models[beside.model]!, layers + 1, contextLength, hidden) }),
    },
    adapters: Object.fromEntries(
      Object.entries(pipeline.adapters).map(([name, a]) => [
        name,
        { ...a, rank: most(a.rank, 4), dropout: at(a.dropout, 0 as Adapter["dropout"]["value"]) },
      ]),
    ),
  };
  const options = {
    ...(stage.adapter === undefined ? {} : { adapter: stage.adapter.value }),
    freeze: stage.freeze.value,
  };
  const graph = livelier(buildModel(small, model.value, options));
  const chunks =
    parts === 1
      ? [{ rank: 0, first: 0, last: layers + 1 }]
      : toChunks([...sizes], parallel.pipeline, parallel.schedule);
  const whole = buildModel(pipeline, model.value, options);
  const frozen =
    beside === undefined
      ? {}
      : {
          beside: {
            graph: livelier(buildModel(small, beside.model, { freeze: ["*"] })),
            shares: sharesWeights(stage),
          },
        };
  return { graph, parallel, chunks, recompute: recomputeOf(whole, plan, graph, chunks), contextLength, ...frozen };
}

/** So narrow a model starts with larger matrices than a real one, or its losses and gradients would be noise. */
export function livelier(graph: ModelGraph): ModelGraph {
  const kinds = Object.entries(graph.kinds).map(([id, kind]) => {
    const weights = Object.entries(kind.weights).map(([name, w]) => [
      name,
      w.init.kind === "normal" ? { ...w, init: { kind: "normal" as const, std: 0.2 } } : w,
    ]);
    return [id, { ...kind, weights: Object.fromEntries(weights) }];
  });
  return { ...graph, kinds: Object.fromEntries(kinds) };
}

/** Each layer is recomputed like one of its kind in the part of the stack that it stands for. */
function recomputeOf(
  whole: ModelGraph,
  plan: StagePlan,
  graph: ModelGraph,
  chunks: LayoutPlan["chunks"],
): readonly RecomputeLayer[] {
  const big = plan.layout.chunks;
  return chunks.flatMap((chunk, c) => {
    const from = big[like(c, chunks.length, big.length)]!;
    const size = chunk.last - chunk.first + 1;
    return Array.from({ length: size }, (_, k) => {
      const layer = chunk.first + k;
      const kind = graph.stack[layer]!;
      const alike = plan.recompute.layers.filter((r) => whole.stack[r.layer] === kind);
      const near = alike.filter((r) => r.layer >= from.first && r.layer <= from.last);
      const pool = near.length > 0 ? near : alike;
      const found = pool[like(k, size, pool.length)];
      return found === undefined ? [] : [{ ...found, layer, offload: [] }];
    }).flat();
  });
}
