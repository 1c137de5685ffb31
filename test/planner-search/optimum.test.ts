/** Branch and bound against full enumeration: the same optimum on hundreds of random small problems. */
import { expect, it } from "vitest";
import { buildModel } from "../../src/model/index.js";
import { costModel } from "../../src/planner/cost-model.js";
import { front } from "../../src/planner/search/front.js";
import { stageProblem } from "../../src/planner/search/problem.js";
import { search } from "../../src/planner/search/solve.js";
import { offersOf } from "../../src/planner/search/terms.js";
import { fastest, merged, pick, random } from "./enumerate.js";
import { build, fileText, pipelineOf, standIn, type World } from "./stand-in.js";

const same = (a: number, b: number): boolean => a === b || Math.abs(a / b - 1) < 1e-9;

function simpleProblem(seed: number) {
  const next = random(seed);
  const text = fileText({
    layers: pick(next, [2, 3, 4, 5, 6]),
    engine: pick(next, ["megatron", "megatron", "torchtitan"]),
    hidden: pick(next, [1024, 2048, 4096]),
    heads: pick(next, [2, 4, 8]),
    batch: `${pick(next, [8, 12, 16])} sequences`,
    context: pick(next, ["2Ki", "8Ki"]),
    count: "1",
    instance: "small",
    budget: `accelerator tiny { vendor = nvidia, memory = ${pick(next, [4, 6, 9, 14, 24, 60])}GiB, memory_bandwidth = 2TB, bf16 = 300T, link_bandwidth = 300GB, domain = 8 }
instance small { accelerator = tiny, accelerators = ${pick(next, [2, 4, 6, 8])}, memory = 500GiB, network = 50GB, price = $10 }`,
  });
  const world: World = {
    efficiency: 0.3 + next() * 0.4,
    savedPerFeature: 10 + next() * 60,
    latency: 10 ** (-6 + next() * 3),
  };
  return { text, world };
}

it("one machine, one engine, worlds in which other things win: 200 problems", () => {
  let feasible = 0;
  for (let seed = 1; seed <= 200; seed++) {
    const { text, world } = simpleProblem(seed);
    const pipeline = pipelineOf(text);
    const model = standIn(world);
    const { problem } = stageProblem(pipeline, pipeline.stages[0]!, merged(pipeline), build, {});
    const best = fastest(problem!, problem!.configurations[0]!, model);
    const result = search(problem!, model);
    const found = result.front[0]?.stepSeconds ?? Number.POSITIVE_INFINITY;
    if (Number.isFinite(best)) feasible++;
    // Everything considered was evaluated, or left out for one of the reasons told.
    const told = [...result.reasons.values()].reduce((a, b) => a + b, 0);
    expect(result.evaluated + told, `seed ${seed}`).toBe(result.considered);
    expect(same(found, best), `seed ${seed}: found ${found}, best ${best}`).toBe(true);
    expect(result.complete, `seed ${seed}: ${result.doubt}`).toBe(true);
  }
  // The generator must not be so hard, or so easy, that the test says nothing.
  expect(feasible).toBeGreaterThan(100);
  expect(feasible).toBeLessThan(200);
});

/** Two kinds of machines, counts, engines, ways of paying; dense or experts; the real cost model. */
function openProblem(seed: number): string {
  const next = random(seed);
  const experts = next() < 0.4;
  const heads = pick(next, [2, 4]);
  const hidden = pick(next, [1024, 2048, 4096]);
  const layers = pick(next, [2, 3, 4]);
  const model = experts
    ? `architecture = mixtral, layers = ${layers}, hidden = ${hidden}, heads = ${heads}, kv_heads = ${heads}, ffn = ${hidden * 2}, moe_ffn = ${hidden * 2}, experts = 4, experts_per_token = 2, vocab = 32000, context_length = 4Ki`
    : `architecture = llama, layers = ${layers}, hidden = ${hidden}, heads = ${heads}, kv_heads = ${heads}, ffn = ${hidden * 3}, vocab = 32000, context_length = 4Ki`;
  const price = (): string => (next() < 0.75 ? `, price = $${pick(next, [4, 10, 30])}` : "");
  return `
dataset web { source = "s3://b/x/*.parquet", field = "text", tokens = 10B }
model m { ${model} }
accelerator tiny { vendor = nvidia, memory = ${pick(next, [4, 8, 16, 40])}GiB, memory_bandwidth = 2TB, bf16 = 300T, link_bandwidth = 300GB, domain = 8 }
accelerator large { vendor = nvidia, memory = ${pick(next, [12, 24, 80])}GiB, memory_bandwidth = 3TB, bf16 = 900T, link_bandwidth = 450GB, domain = 8 }
instance small { accelerator = tiny, accelerators = ${pick(next, [1, 2])}, memory = 500GiB, network = ${pick(next, [5, 50])}GB${price()} }
instance big { accelerator = large, accelerators = 2, memory = 500GiB, network = 100GB${price()} }
cluster c { provider = slurm, instance = small | big, count = ${pick(next, ["1", "1..2", "1 | 2"])}, pricing = on_demand | spot }
train base {
  objective = pretrain
  model = m
  data = web
  tokens = 1B
  batch = ${pick(next, [4, 8])} sequences
  precision = bf16
  engine = ${pick(next, ["megatron | torchtitan", "torchtitan | fast_llm", "megatron"])}
  on = c
  save = every ${pick(next, ["20min", "200 steps"])}
}`;
}

const told = (points: readonly { seconds: number; money: number }[]) => points.map((p) => [p.seconds, p.money]);

it("machines, counts, engines, experts, prices, the real cost model: 120 problems", () => {
  let points = 0;
  let feasible = 0;
  for (let seed = 1; seed <= 120; seed++) {
    const pipeline = pipelineOf(openProblem(seed));
    const hardware = merged(pipeline);
    const next = random(seed * 7919);
    const spot = ["small", "big"].flatMap((instance) =>
      next() < 0.6
        ? [
            {
              instance,
              region: "*",
              pricing: "spot" as const,
              usdPerHour: pick(next, [1, 5, 12]),
              interruptionsPerHour: pick(next, [0.001, 0.2]),
              source: "test",
              date: "2026-11-24",
            },
          ]
        : [],
    );
    const { problem } = stageProblem(
      pipeline,
      pipeline.stages[0]!,
      { ...hardware, prices: [...hardware.prices, ...spot] },
      buildModel,
      {},
    );
    const all = problem!.configurations.flatMap((c) => {
      const step = fastest(problem!, c, costModel);
      return Number.isFinite(step) ? offersOf(problem!, c)(step) : [];
    });
    const best = front(all);
    const result = search(problem!, costModel);
    if (best.length > 0) feasible++;
    points += best.length;
    expect(result.complete).toBe(true);
    const equal =
      result.front.length === best.length &&
      result.front.every((p, i) => same(p.seconds, best[i]!.seconds) && same(p.money, best[i]!.money));
    expect(equal, `seed ${seed}: found ${JSON.stringify(told(result.front))}, best ${JSON.stringify(told(best))}`).toBe(
      true,
    );
  }
  expect(feasible).toBeGreaterThan(60);
  expect(points).toBeGreaterThan(feasible);
});
