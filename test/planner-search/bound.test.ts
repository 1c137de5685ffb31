/** Bounds of the real cost model stay below what they bound, also when they know the memory; so do those of whole groups. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { costModel } from "../../src/planner/cost-model.js";
import type { ParallelPlan, RecomputeLayer } from "../../src/planner/plan.js";
import { divisors } from "../../src/planner/search/space.js";
import type { LayoutGroup } from "../../src/planner/types.js";
import { candidateOf, contextOf, parallel, program } from "../planner-physics/context.js";

const contexts = {
  llama: contextOf(program("llama3 llama3_8b", "engine = megatron")),
  fsdp: contextOf(program("llama3 llama3_8b", "engine = torchtitan")),
  tied: contextOf(program("llama3 llama3_2_1b", "engine = megatron")),
  mixtral: contextOf(program("mixtral mixtral_8x7b", "engine = megatron")),
  deepseek: contextOf(program("deepseek deepseek_v2_lite", "engine = megatron")),
  preferences: contextOf(
    program("llama3 llama3_8b", "engine = trl")
      .replace("objective = pretrain", "objective = dpo { beta = 0.1 }")
      .replace('field = "text"', 'chosen = "a", rejected = "b", prompt = "p"'),
  ),
  rollouts: contextOf(
    program("llama3 llama3_8b", "engine = trl", "reward exact { kind = exact_answer }")
      .replace("objective = pretrain", "objective = grpo { reward = exact }")
      .replace('field = "text"', 'format = prompts, prompt = "p", answer = "a"'),
  ),
};
type Name = keyof typeof contexts;

const candidates = fc
  .record({
    name: fc.constantFrom(...(Object.keys(contexts) as Name[])),
    tensor: fc.constantFrom(1, 2, 4, 8),
    pipeline: fc.constantFrom(1, 2, 3, 8),
    context: fc.constantFrom(1, 2),
    data: fc.constantFrom(1, 2, 8, 64),
    expert: fc.constantFrom(1, 2, 4),
    micro_batch: fc.constantFrom(1, 2, 4),
    accumulation: fc.constantFrom(1, 8, 16),
    virtual: fc.constantFrom(1, 2),
    shard: fc.constantFrom("none", "zero1", "zero2", "zero3", "hsdp"),
    schedule: fc.constantFrom("1f1b", "interleaved", "gpipe", "zero_bubble", "dualpipe"),
    modes: fc.array(fc.constantFrom("none", "full"), { minLength: 3, maxLength: 3 }),
  })
  .map(({ name, modes, ...p }) => {
    const context = contexts[name];
    const layers = context.policy.stack.length - 2;
    const moe = context.pipeline.models[context.stage.model.value]!.moe !== undefined;
    const virtual = p.schedule === "interleaved" || p.schedule === "dualpipe" ? 2 : 1;
    const split = p.pipeline > 1 && p.pipeline * virtual <= layers;
    const ranks = p.data * p.context;
    const plan = parallel({
      ...(p as Partial<ParallelPlan>),
      sequence: p.tensor > 1,
      expert: moe ? p.expert : 1,
      pipeline: split ? p.pipeline : 1,
      virtual: split ? virtual : 1,
      schedule: (split ? p.schedule : "1f1b") as ParallelPlan["schedule"],
      shard: (ranks === 1 ? "none" : p.shard) as ParallelPlan["shard"],
      shard_group: p.shard === "zero3" ? ranks : p.shard === "hsdp" ? Math.max(1, ranks / 2) : 1,
    });
    const base = candidateOf(context, plan);
    const recompute = base.recompute.map((r, i) =>
      i === 0 || i === layers + 1 ? r : { ...r, mode: modes[i % 3] as RecomputeLayer["mode"] },
    );
    return { context, name, candidate: { ...base, recompute } };
  });

const never = { peakBytes: Number.POSITIVE_INFINITY, stepSeconds: Number.POSITIVE_INFINITY };

it("never above the evaluation, at any capacity that the candidate fits in", () => {
  let tight = 0;
  fc.assert(
    fc.property(candidates, ({ context, candidate }) => {
      const { stepSeconds, peakBytes, fits } = costModel.evaluate(context, candidate);
      const free = costModel.lowerBound(context, candidate, never);
      expect(free.stepSeconds).toBeLessThanOrEqual(stepSeconds);
      expect(free.peakBytes).toBeLessThanOrEqual(peakBytes);
      if (!fits) return;
      const known = costModel.lowerBound(context, candidate, { ...never, peakBytes });
      expect(known.stepSeconds).toBeLessThanOrEqual(stepSeconds);
      expect(known.stepSeconds).toBeGreaterThanOrEqual(free.stepSeconds * (1 - 1e-9));
      if (known.stepSeconds > 0.9 * stepSeconds) tight++;
    }),
    { numRuns: 1500 },
  );
  expect(tight).toBeGreaterThan(50);
});

it("a group's bound is never above that of its members, nor a band's above the group's", () => {
  fc.assert(
    fc.property(candidates, fc.constantFrom(20, 40, 79), fc.boolean(), ({ context, candidate }, gib, sharded) => {
      const { parallel: p, count, contextLength, globalBatch } = candidate;
      const ranks = p.data * p.context;
      const most = Math.floor((context.policy.stack.length - 2) / p.pipeline);
      const group: LayoutGroup = {
        count,
        contextLength,
        globalBatch,
        parallel: p,
        shards: sharded
          ? [
              { shard: "zero3", shard_group: ranks },
              ...divisors(ranks).flatMap((n) =>
                n > 1 && n < ranks ? [{ shard: "hsdp" as const, shard_group: n }] : [],
              ),
            ]
          : [
              { shard: "none", shard_group: 1 },
              { shard: p.shard, shard_group: p.shard_group },
              { shard: "zero3", shard_group: ranks },
            ],
        schedules: [
          { schedule: p.schedule, virtual: p.virtual },
          ...(p.pipeline === 1 ? [] : [{ schedule: "gpipe" as const, virtual: 1 }]),
          ...(p.pipeline === 1
            ? []
            : Array.from({ length: Math.max(0, most - 1) }, (_, i) => ({
                schedule: "interleaved" as const,
                virtual: i + 2,
              }))),
        ],
      };
      const limits = { ...never, peakBytes: gib * 1024 ** 3 };
      const bound = costModel.groupBound!(context, group, limits);
      // Without regard to memory.
      const quick = costModel.groupBound!(context, group, { ...limits, stepSeconds: 0 }).stepSeconds;
      expect(quick).toBeLessThanOrEqual(bound.stepSeconds * (1 + 1e-9));
      for (const shard of group.shards) {
        for (const schedule of group.schedules) {
          const one = costModel.lowerBound(context, { ...group, parallel: { ...p, ...shard, ...schedule } }, limits);
          expect(bound.stepSeconds).toBeLessThanOrEqual(one.stepSeconds * (1 + 1e-9));
          expect(bound.peakBytes).toBeLessThanOrEqual(one.peakBytes * (1 + 1e-9));
        }
      }
    }),
    { numRuns: 800 },
  );
});
