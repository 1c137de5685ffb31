/** What objectives do beside the update: seconds and bytes of each phase, against bounds made by hand. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { costModel } from "../../src/planner/cost-model.js";
import { rankMoments } from "../../src/planner/memory/rank.js";
import type { ParallelPlan } from "../../src/planner/plan.js";
import { jobOfCandidate } from "../../src/planner/time/job-of-candidate.js";
import { candidateOf, contextOf, parallel, program } from "./context.js";

const grpo = (engine: string, more = "", extra = ""): string =>
  program("llama3 llama3_8b", `engine = ${engine}\n${more}`, `reward exact { kind = exact_answer }\n${extra}`)
    .replace(
      "objective = pretrain",
      "objective = grpo { reward = exact, group_size = 8, max_completion = 1024 tokens }",
    )
    .replace("model = llama3_8b", "model = base")
    .replace('field = "text"', 'format = prompts, prompt = "p", answer = "a"')
    .replace("cluster p5", 'model base: llama3_8b { weights = "s3://models/base" }\ncluster p5');
const dpo = (adapter: boolean): string =>
  program(
    "llama3 llama3_8b",
    `engine = trl${adapter ? "\nadapter = small" : ""}`,
    adapter ? "adapter small { kind = lora, rank = 16, targets = all_linear }" : "",
  )
    .replace("objective = pretrain", "objective = dpo { beta = 0.1 }")
    .replace('field = "text"', 'chosen = "a", rejected = "b", prompt = "p"');
const distil = program("llama3 llama3_8b", "engine = trl", 'import "std/llama3"').replace(
  "objective = pretrain",
  "objective = distill { teacher = llama3_70b }",
);

const contexts = {
  trl: contextOf(grpo("trl")),
  verl: contextOf(grpo("verl")),
  dpo: contextOf(dpo(false)),
  lora: contextOf(dpo(true)),
  distil: contextOf(distil),
};
type Name = keyof typeof contexts;
const GiB = 1024 ** 3;
const parameters = 8_030_261_248;
const fsdp = (more: Partial<ParallelPlan> = {}): ParallelPlan =>
  parallel({ data: 8, shard: "zero3", shard_group: 8, accumulation: 2, ...more });

const phasesOf = (name: Name, p = fsdp(), length = 4096) =>
  costModel.phasesPlan!(contexts[name], candidateOf(contexts[name], p, "full", length))!;
const phase = (name: Name, id: string, p = fsdp(), length = 4096) =>
  phasesOf(name, p, length).find((x) => x.phase === id)!;
const bytes = (list: readonly { what: string; bytes: number }[], what: string): number =>
  list.find((i) => i.what === what)?.bytes ?? 0;

describe("rollouts", () => {
  it("take what reading weights and caches takes, where nothing else is slower", () => {
    const context = contexts.verl;
    const candidate = candidateOf(context, fsdp(), "full", 4096);
    const { seconds } = phase("verl", "rollout.decode");
    const bandwidth = context.accelerator.memoryBandwidth;
    // 16 sequences a device: 2 micro-batches of 1 for each of a prompt's 8 answers; 3072 to 4096 positions of 128 KiB.
    const cache = (16 * 131072 * (4096 * 4097 - 3072 * 3073)) / 2;
    const weights = 1024 * 2 * (parameters - 128256 * 4096);
    const least = (weights + cache) / bandwidth;
    expect(candidate.globalBatch).toBe(16);
    expect(seconds).toBeGreaterThan(least);
    expect(seconds).toBeLessThan(1.6 * least);
  });

  it("hold a cache for every sequence of a portion, and weights whole", () => {
    const decode = phase("trl", "rollout.decode");
    expect(decode.portions).toBe(1);
    expect(decode.cache_bytes).toBe(16 * 4096 * 131072);
    expect(bytes(decode.breakdown, "gathered layers and communication buffers")).toBe(2 * parameters);
    expect(bytes(decode.breakdown, "gradients") + bytes(decode.breakdown, "saved activations")).toBe(0);
    const held = contexts.trl.accelerator.memoryBytes * contexts.verl.engine.can.rollout!.memoryShare!;
    expect(phase("verl", "rollout.decode").cache_bytes! + 2 * parameters).toBeCloseTo(held, -2);
  });

  it("are made in as many portions as memory asks for, whole groups in each", () => {
    const wide = fsdp({ accumulation: 16 });
    const decode = phase("trl", "rollout.decode", wide, 8192);
    expect(decode.portions).toBeGreaterThan(1);
    const all = 16 * 8;
    expect(all % decode.portions!).toBe(0);
    expect(decode.cache_bytes).toBe((all / decode.portions!) * 8192 * 131072);
    expect(decode.peak_bytes).toBeLessThan(contexts.trl.accelerator.memoryBytes);
  });

  it("of launches alone take a millisecond a layer and token with transformers", () => {
    const { seconds } = phase("trl", "rollout.decode");
    expect(seconds / (1024 * 32 * 1e-3)).toBeGreaterThan(1);
    expect(seconds / (1024 * 32 * 1e-3)).toBeLessThan(1.35);
  });
});

describe("frozen models", () => {
  it("a reference is held as the policy's master weights, sharded; an adapter's is its base", () => {
    expect(bytes(phase("dpo", "update").breakdown, "frozen models")).toBeCloseTo((4 * parameters) / 8, -1);
    expect(bytes(phase("lora", "update").breakdown, "frozen models")).toBe(0);
  });

  it("a teacher of 70 B is held in 16 bits, and takes longer than its student's whole update", () => {
    const teacher = phase("distil", "teacher");
    expect(bytes(teacher.breakdown, "frozen models")).toBeCloseTo((2 * 70_553_706_496) / 8, -1);
    expect(teacher.flops / phase("distil", "update").flops).toBeGreaterThan(2.5);
    expect(teacher.seconds).toBeGreaterThan(phase("distil", "update").seconds);
  });

  it("a base below an adapter has neither gradients nor optimizer state", () => {
    const context = contexts.lora;
    const job = jobOfCandidate(context, candidateOf(context, fsdp(), "full"));
    const trained = context.policy.trainableParameters;
    expect(trained).toBeLessThan(0.01 * parameters);
    const update = rankMoments(job, 0).find((m) => m.moment === "optimizer")!;
    expect(update.gradients * 8).toBeCloseTo(job.numeric.gradients * trained, -1);
    expect(update.optimizer * 8).toBeCloseTo(job.numeric.optimizer * trained, -1);
    expect(update.weights * 8).toBeCloseTo(2 * parameters + job.numeric.weights * trained, -1);
  });
});

describe("a step", () => {
  const layouts = fc.record({
    name: fc.constantFrom(...(Object.keys(contexts) as Name[])),
    data: fc.constantFrom(1, 8, 16),
    micro_batch: fc.constantFrom(1, 2, 4),
    accumulation: fc.constantFrom(1, 4, 16),
    shard: fc.constantFrom("none", "zero2", "zero3", "hsdp"),
    length: fc.constantFrom(2048, 8192),
  });

  it("is the sum of its phases; its peak is that of the fullest; bounds stay below", () => {
    fc.assert(
      fc.property(layouts, ({ name, length, ...p }) => {
        const context = contexts[name];
        const sharded = p.shard === "zero3" || p.shard === "hsdp";
        const shard_group = !sharded ? 1 : p.shard === "hsdp" ? Math.max(1, p.data / 2) : p.data;
        const candidate = candidateOf(
          context,
          parallel({ ...(p as Partial<ParallelPlan>), shard_group }),
          "full",
          length,
        );
        const quick = costModel.evaluate(context, candidate);
        const phases = costModel.phasesPlan!(context, candidate)!;
        const memory = costModel.memoryPlan(context, candidate);
        const time = costModel.timePlan(context, candidate);
        const seconds = phases.reduce((sum, x) => sum + x.seconds, 0);
        expect(Math.abs(seconds / quick.stepSeconds - 1)).toBeLessThan(1e-9);
        expect(Math.abs(time.breakdown.reduce((sum, x) => sum + x.seconds, 0) / quick.stepSeconds - 1)).toBeLessThan(
          1e-9,
        );
        const top = phases.reduce((a, b) => (b.peak_bytes > a.peak_bytes ? b : a));
        expect(memory.peak!.phase).toBe(top.phase);
        expect(Math.abs(top.peak_bytes / quick.peakBytes - 1)).toBeLessThan(1e-9);
        const bound = costModel.lowerBound(context, candidate);
        expect(bound.stepSeconds).toBeLessThanOrEqual(quick.stepSeconds);
        expect(bound.peakBytes).toBeLessThanOrEqual(quick.peakBytes);
        for (const x of phases) {
          const sum = x.breakdown.reduce((s, i) => s + i.bytes, 0);
          expect(Math.abs(sum - x.peak_bytes)).toBeLessThan(16);
        }
        expect(
          memory.timeline.some(
            (t) => t.label.startsWith("peak: ") && Math.abs(t.bytes - memory.peak_bytes) < GiB / 1e6,
          ),
        ).toBe(true);
        for (const t of memory.timeline) expect(t.bytes).toBeLessThanOrEqual(memory.peak_bytes + 16);
      }),
      { numRuns: 80 },
    );
  });
});
