/** Splits of layers over ranks against all of them: the real cost model, unlike layers, several chunks a rank, short memory. */
import { expect, it } from "vitest";
import { costModel } from "../../src/planner/cost-model.js";
import { toChunks } from "../../src/planner/layout/index.js";
import type { ParallelPlan } from "../../src/planner/plan.js";
import { everyNth, firstOfChunks, full, none, selective } from "../../src/planner/recompute/modes.js";
import { bestSplit, Ranks, type Treatment } from "../../src/planner/search/split.js";
import type { Candidate } from "../../src/planner/types.js";
import { candidateOf, contextOf, parallel, program } from "../planner-physics/context.js";
import { pick, random, splits } from "./enumerate.js";

const moe = (layers: number, dense: number): string =>
  `model m { architecture = mixtral, layers = ${layers}, hidden = 2048, heads = 16, kv_heads = 16, ffn = 8192, moe_ffn = 4096, experts = 8, experts_per_token = 2, dense_layers = ${dense}, vocab = 32000, context_length = 4Ki }`;
const windows = (layers: number): string =>
  `model m { architecture = gemma2, layers = ${layers}, hidden = 2048, heads = 16, kv_heads = 16, ffn = 8192, sliding_window = 512, vocab = 32000, context_length = 4Ki }`;
const alike = (layers: number): string =>
  `model m { architecture = llama, layers = ${layers}, hidden = 4096, heads = 32, kv_heads = 32, ffn = 12288, vocab = 32000, context_length = 4Ki }`;

const models = { "all alike": alike(9), "dense first": moe(9, 2), "one dense first": moe(8, 1), windows: windows(8) };
const contexts = Object.entries(models).map(
  ([name, model]) => [name, contextOf(program("llama3 m", "", model))] as const,
);

it.each(contexts)("%s: the fastest of all splits", (name, context) => {
  const { policy } = context;
  const { stack } = policy;
  const layers = stack.length - 2;
  let short = 0;
  let proven = 0;
  let open = 0;
  for (let seed = 1; seed <= 90; seed++) {
    const next = random(seed);
    const pipeline = pick(next, [2, 3, 4]);
    const schedule = pick(next, ["1f1b", "gpipe", "interleaved", "dualpipe"] as const);
    const virtual = schedule === "interleaved" || schedule === "dualpipe" ? 2 : 1;
    if (pipeline * virtual > layers) continue;
    const shard = pick(next, ["none", "zero1", "zero3"] as const);
    const plan: ParallelPlan = parallel({
      tensor: pick(next, [1, 2]),
      data: pick(next, [2, 8, 64]),
      accumulation: pick(next, [1, 8]) * pipeline,
      shard,
      expert: policy.kinds[stack.at(-2)!]!.ops.some((o) => o.module === "moe") ? pick(next, [1, 2]) : 1,
      pipeline,
      schedule,
      virtual,
    });
    const sharded = { ...plan, shard_group: shard === "zero3" ? plan.data : 1 };
    const base = candidateOf(context, sharded);
    const [ways, first] = pick(next, [
      [none(policy), undefined],
      [full(policy), undefined],
      [selective(policy), undefined],
      [everyNth(policy, 3), undefined],
      [none(policy), pick(next, [1, 2])],
    ] as const);
    const candidates = [...splits(layers, pipeline, virtual, schedule)].map((sizes): Candidate => {
      const chunks = toChunks(sizes, pipeline, schedule);
      return { ...base, chunks, recompute: first === undefined ? ways : firstOfChunks(policy, chunks, first) };
    });
    const all = candidates.map((c) => costModel.evaluate(context, c));
    const peaks = all.map((e) => e.peakBytes).sort((a, b) => a - b);
    // Between what hardly any split fits in and what all do.
    const capacity = peaks[Math.floor(next() * peaks.length)]! * (1 + 1e-9);
    const fit = all.filter((e) => e.peakBytes <= capacity);
    const best = Math.min(...fit.map((e) => e.stepSeconds));
    if (fit.length < all.length) short++;
    const treatment: Treatment = {
      stack,
      layers: ways,
      ...(first === undefined ? {} : { first: { count: first, layers: full(policy) } }),
    };
    const ranks = new Ranks(costModel.splitting!(context, base)!, sharded, treatment);
    const found = bestSplit(ranks, capacity, Number.POSITIVE_INFINITY);
    const at = `${name}, seed ${seed}: ${JSON.stringify(sharded)}`;
    if (found.floor !== undefined) {
      open++;
      expect(found.floor, at).toBeLessThanOrEqual(best * (1 + 1e-9));
      continue;
    }
    proven++;
    const i = candidates.findIndex((c) => JSON.stringify(c.chunks) === JSON.stringify(found.chunks));
    expect(all[i]!.peakBytes, at).toBeLessThanOrEqual(capacity);
    expect(Math.abs(all[i]!.stepSeconds / best - 1), `${at}: ${all[i]!.stepSeconds}, best ${best}`).toBeLessThan(1e-9);
    // Nothing is found below what is best.
    expect(bestSplit(ranks, capacity, best * (1 - 1e-9)).chunks, at).toBeUndefined();
  }
  expect(short).toBeGreaterThan(30);
  expect(proven, `${open} not proven`).toBeGreaterThan(name === "windows" ? 30 : 55);
});

it("uneven chunks of a rank would stall the others", async () => {
  const { simulate } = await import("../../src/planner/schedule/index.js");
  const makespan = (sizes: readonly number[]): number =>
    simulate({
      kind: "interleaved",
      ranks: 4,
      virtual: 2,
      microBatches: 16,
      forward: sizes,
      backward: sizes.map((s) => 2 * s),
      transfer: 0,
    }).makespan;
  const even = makespan([2, 2, 2, 2, 2, 2, 2, 2]);
  expect(makespan([1, 1, 1, 1, 3, 3, 3, 3])).toBeGreaterThanOrEqual(even);
  expect(makespan([1, 3, 1, 3, 3, 1, 3, 1])).toBeGreaterThan(1.05 * even);
});
