/** One rank's share of a training step: its micro-batches through its chunks in its schedule's order, and its update. */
import type { ModelGraph } from "../../model/graph.js";
import type { LayoutPlan, RecomputeLayer } from "../../planner/plan.js";
import type { Algebra } from "../algebra.js";
import { auxScaleOf, balanceOf, moveBiases, routingLayers } from "../balance.js";
import { checkIds, rangeOf } from "../ids.js";
import type { LayerSaved } from "../layer.js";
import type { MicroBatch, ModelState } from "../model.js";
import type { Numerics } from "../numerics.js";
import type { Guide, MicroResult, ObjectiveBatch, ObjectiveOptions, ObjectiveProgram } from "../objectives/types.js";
import type { NamedWeight } from "../state.js";
import { applyUpdate, type OptimizerState, putBatch, type Update } from "../step.js";
import { columns } from "./blocks.js";
import { localGraph } from "./local.js";
import { type Passing, RankStack } from "./stack.js";
import type { RankLayout, RankLinks, RankTask } from "./types.js";
import { partsOf, RankWeights, type Section } from "./weights.js";

type Load = (section: Section, weight: NamedWeight) => Float32Array | undefined;

/** The frozen model beside the trained one, spread like it: its last chunk is where the trained one's is. */
export interface BesideInput {
  readonly graph: ModelGraph;
  readonly chunks: LayoutPlan["chunks"];
  /** It is the trained one without its adapter, and has no weights of its own. */
  readonly shares: boolean;
  readonly load: Load;
}

export interface RankInput<T> {
  readonly graph: ModelGraph;
  readonly layout: RankLayout;
  readonly links: RankLinks;
  readonly recompute: readonly RecomputeLayer[];
  readonly optimizer: OptimizerState<T>["kind"];
  readonly numerics: Numerics;
  readonly objective: ObjectiveProgram;
  readonly options: ObjectiveOptions;
  readonly beside?: BesideInput | undefined;
  /** Longest sequence. */
  readonly positions: number;
  /** Whole values of a weight or of its optimizer state; undefined: zeros. */
  readonly load: Load;
}

interface Flight<T> {
  readonly saved: LayerSaved<T>[];
  readonly dx: T | undefined;
}

/** A micro-batch here: this context's tokens. */
interface Put<T> {
  readonly there: MicroBatch<T>;
  readonly batch: ObjectiveBatch;
  readonly policy: Passing<T>;
  readonly beside: Passing<T> | undefined;
  /** Tokens that count in whole sequences. */
  readonly weight: number;
  readonly free: () => void;
  uses: number;
}

/** What a rank knows of a micro-batch after it: parts that add up over ranks. */
export interface RankResult {
  /** Of each row. */
  readonly losses: Float64Array;
  readonly sums: Readonly<Record<string, number>>;
  /** Of its targets, where the objective looks at them. */
  readonly logProbs?: Float32Array;
}

/** Messages between stages have tags above those of the groups. */
const firstTag = 1 << 20;

const weightsOf = <T>(algebra: Algebra<T>, input: RankInput<T>, beside: BesideInput | undefined): RankWeights<T> => {
  const { layout, links, numerics, optimizer } = input;
  const { graph, load } = beside ?? input;
  const chunks = beside?.chunks ?? layout.chunks;
  const layers = chunks.flatMap(({ rank, first, last }) =>
    rank === layout.at.pipeline ? Array.from({ length: last - first + 1 }, (_, i) => first + i) : [],
  );
  const parts = partsOf(graph, localGraph(graph, layout), layout, links, layers);
  return new RankWeights(algebra, parts, layout, links, numerics.round, optimizer, load, beside !== undefined);
};

export class Rank<T> {
  readonly weights: RankWeights<T>;
  readonly #policy: RankStack<T>;
  readonly #beside: RankStack<T> | undefined;
  readonly #loads = new Map<number, Float64Array>();

  constructor(
    private readonly algebra: Algebra<T>,
    private readonly input: RankInput<T>,
  ) {
    const { layout, beside } = input;
    this.weights = weightsOf(algebra, input, undefined);
    const stack = (of: 0 | 1, graph: ModelGraph, chunks: LayoutPlan["chunks"], weights: RankWeights<T>) =>
      new RankStack(algebra, {
        ...input,
        graph,
        local: localGraph(graph, layout),
        chunks,
        weights,
        loads: this.#loads,
        tag: (m, c, direction) => firstTag + 4 * (m * chunks.length + c) + 2 * of + direction,
      });
    this.#policy = stack(0, input.graph, layout.chunks, this.weights);
    if (beside === undefined) return;
    const own = beside.shares ? this.weights : weightsOf(algebra, input, beside);
    this.#beside = stack(1, beside.graph, beside.chunks, own);
  }

  /** This rank's micro-batches. With `scale`, gradients of scale · Σ loss add up. */
  run(
    micro: readonly ObjectiveBatch[],
    tasks: readonly RankTask[],
    scale: number | undefined,
    /** Another than the stage's, where it is only evaluated. */
    objective = this.input.objective,
  ): readonly RankResult[] {
    const results: RankResult[] = micro.map((b) => ({ losses: new Float64Array(b.sequences), sums: {} }));
    const batches = new Map<number, Put<T>>();
    const flights = new Map<string, Flight<T>>();
    const batchOf = (m: number): Put<T> => {
      const put = batches.get(m) ?? this.#put(micro[m]!, scale, objective);
      batches.set(m, put);
      return put;
    };
    const release = (m: number): void => {
      const put = batches.get(m)!;
      if (--put.uses > 0) return;
      results[m] = { ...results[m]!, sums: { ...results[m]!.sums, ...this.#balance(put, objective) } };
      put.free();
      batches.delete(m);
    };
    for (const { kind, micro_batch: m, chunk: c } of tasks) {
      // Weight gradients are computed with those of the inputs: schedules that split the two have the same sums.
      if (kind === "weight" || (scale === undefined && kind === "backward")) continue;
      const put = batchOf(m);
      const key = `${m}/${c}`;
      if (kind === "forward") {
        const { flight, result } = this.#forward(put, m, c, scale, objective);
        if (result !== undefined) results[m] = resultOf(result, put.batch);
        if (scale === undefined) release(m);
        else flights.set(key, flight);
      } else {
        const { saved, dx } = flights.get(key)!;
        this.#policy.backward(put.policy, m, c, saved, dx);
        flights.delete(key);
        release(m);
      }
    }
    return results;
  }

  /** Norm of the whole model's gradient; where that is not finite nothing is updated. */
  update(u: Update): number {
    const { algebra, weights, input } = this;
    const gradients = weights.reduced();
    let squares = 0;
    for (const part of weights.parts)
      if (part.trained && weights.counts(part)) squares += algebra.sumOfSquares(gradients.get(part.name)!);
    const high = Math.fround(squares);
    const total = input.links.world.allReduce(Float32Array.of(high, squares - high));
    const state = { graph: input.graph, weights: weights.own, gradients, rope: this.#policy.rope };
    const norm = applyUpdate(algebra, state, weights.optimizer, u, total[0]! + total[1]!);
    const loads = new Map(
      [...this.#loads].map(([i, load]) => {
        const all = input.links.replicas.allReduce(Float32Array.from(load));
        load.fill(0);
        return [i, Float64Array.from(all)] as const;
      }),
    );
    if (Number.isFinite(norm)) {
      moveBiases(algebra, input.graph, loads, (name) => weights.ownPart(name));
      weights.refresh();
    }
    for (const [name, g] of gradients) if (g !== weights.gradients.get(name)) algebra.free(g);
    return norm;
  }

  /** The whole model, where this rank has it all between steps: what generates, and frees nothing. */
  whole(): ModelState<T> | undefined {
    const { parallel } = this.input.layout;
    const { weights } = this;
    const split = Math.max(parallel.pipeline, parallel.tensor, parallel.expert) > 1;
    if (split || weights.parts.some((p) => p.packed === undefined && !weights.whole.has(p.name))) return undefined;
    const { graph, numerics } = this.input;
    const routing = routingLayers(graph) > 0 ? { routing: { layers: new Map(), auxScale: 0 } } : {};
    return {
      graph,
      weights: weights.whole,
      packed: weights.packed,
      gradients: new Map(),
      rope: this.#policy.rope,
      ...routing,
      ...numerics,
    };
  }

  free(): void {
    this.weights.free();
    this.#policy.free();
    if (this.#beside === undefined) return;
    this.#beside.free();
    if (this.#beside.input.weights !== this.weights) this.#beside.input.weights.free();
  }

  /** The context's tokens of a micro-batch; segments of all tokens up to its last. */
  #put(b: ObjectiveBatch, scale: number | undefined, objective: ObjectiveProgram): Put<T> {
    const { parallel, at } = this.input.layout;
    // An id that no rank has would be a row of zeros everywhere.
    for (const ids of [b.tokens, b.targets]) checkIds("id", rangeOf(ids), this.input.graph.vocab);
    const length = b.length / parallel.context;
    const first = at.context * length;
    const part = <A extends Float32Array | Int32Array>(x: A, from = first): A => {
      if (parallel.context === 1) return x;
      const cut = columns(Float32Array.from(x), b.length, from, first + length);
      return (x instanceof Int32Array ? Int32Array.from(cut) : cut) as A;
    };
    const positions = b.positions ?? Int32Array.from({ length: b.tokens.length }, (_, i) => i % b.length);
    const batch: ObjectiveBatch = {
      ...b,
      length,
      tokens: part(b.tokens),
      targets: part(b.targets),
      weights: part(b.weights),
      positions: part(positions),
      ...(b.segments === undefined ? {} : { segments: part(b.segments, 0) }),
      ...(b.noise === undefined ? {} : { noise: { ...b.noise, rows: part(b.noise.rows) } }),
      ...(b.oldLogProbs === undefined ? {} : { oldLogProbs: part(b.oldLogProbs) }),
    };
    const { free, ...there } = putBatch(this.algebra, batch);
    const weight = b.weights.reduce((sum, w) => sum + w, 0);
    const balances = objective.balances === true && scale !== undefined;
    // Every tensor rank computes all scores: one of them brings the balance in.
    const auxScale = balances && at.tensor === 0 ? auxScaleOf(this.input.graph, scale * weight) : 0;
    const passing = (stack: RankStack<T>, trained: boolean): Passing<T> => ({
      there,
      vocabPart: stack.vocabPart(batch.tokens),
      routing: new Map(),
      auxScale: trained ? auxScale : 0,
      trains: trained && scale !== undefined,
      counts: trained && balances,
    });
    const needed = objective === this.input.objective ? this.#beside : undefined;
    const policy = passing(this.#policy, true);
    const beside = needed === undefined ? undefined : passing(needed, false);
    const freeAll = (): void => {
      free();
      for (const p of [policy, beside]) if (p?.vocabPart !== undefined) this.algebra.free(p.vocabPart.ids);
    };
    const uses = this.input.layout.chunks.filter((c) => c.rank === at.pipeline).length;
    return { there, batch, policy, beside, weight, free: freeAll, uses };
  }

  #forward(put: Put<T>, m: number, c: number, scale: number | undefined, objective: ObjectiveProgram) {
    const { options } = this.input;
    const { batch, there } = put;
    const found: { guide?: Guide<T> | undefined; result?: MicroResult; dx?: T | undefined } = {};
    if (put.beside !== undefined)
      this.#beside!.forward(put.beside, m, c, false, (hidden, context, head) => {
        const { vocab } = this.#beside!.input.graph;
        found.guide = objective.guide?.({ context, head, hidden, there, vocab }, batch, options);
        return found.guide?.ending !== undefined;
      });
    const { guide } = found;
    const saved = this.#policy.forward(put.policy, m, c, scale !== undefined, (hidden, context, head) => {
      const { vocab } = this.input.graph;
      const { dx, ...result } = objective.loss({ context, head, hidden, there, vocab, guide, batch, scale, options });
      Object.assign(found, { dx, result });
      return false;
    });
    if (guide?.ending !== undefined) this.#beside!.input.weights.leave();
    return { flight: { saved, dx: found.dx }, result: found.result };
  }

  /** Balance of this rank's layers, as its part of the mean over all; one of the context's and tensor's ranks tells it. */
  #balance({ policy, weight }: Put<T>, objective: ObjectiveProgram): Readonly<Record<string, number>> {
    const { at } = this.input.layout;
    const all = routingLayers(this.input.graph);
    if (objective.balances !== true || all === 0 || at.context > 0 || at.tensor > 0) return {};
    const means = balanceOf(policy.routing.values(), all);
    return Object.fromEntries(Object.entries(means).map(([name, value]) => [name, value * weight]));
  }
}

function resultOf({ losses: each, sums, logProbs }: MicroResult, batch: ObjectiveBatch): RankResult {
  const losses = new Float64Array(batch.sequences);
  each.forEach((l, t) => {
    const row = Math.floor(t / batch.length);
    losses[row] = losses[row]! + l;
  });
  return { losses, sums: sums ?? {}, ...(logProbs === undefined ? {} : { logProbs }) };
}
