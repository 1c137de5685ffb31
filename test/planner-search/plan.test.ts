import { expect, it } from "vitest";
import { buildModel } from "../../src/model/index.js";
import { costModel } from "../../src/planner/cost-model.js";
import { plan } from "../../src/planner/index.js";
import { planPipeline } from "../../src/planner/pipeline-plan.js";
import type { CostModel } from "../../src/planner/types.js";
import { fileText, hardware, pipelineOf, tools } from "./stand-in.js";

const planOf = (text: string) => planPipeline(pipelineOf(text), hardware, tools());

it("plans an open file, and twice the same bytes", () => {
  const a = planOf(fileText({ count: "1..4" }));
  const b = planOf(fileText({ count: "1..4" }));
  expect(a.diagnostics.filter((d) => d.severity === "error")).toEqual([]);
  expect(a.value?.outcome).toBe("ok");
  expect(a.value?.hash).toBe(b.value?.hash);
  const [stage] = a.value!.stages;
  const p = stage!.parallel;
  expect(p.data * p.tensor * p.pipeline * p.context).toBe(stage!.cluster.accelerators);
  expect(stage!.search.optimal).toBe(true);
});

it("honours what the file fixes", () => {
  const plan = planOf(
    fileText({
      parallel: "{ tensor = 2, pipeline = 2, micro_batch = 4, shard = zero1, schedule = 1f1b }",
      recompute: "full",
    }),
  ).value!;
  const [stage] = plan.stages;
  expect(stage!.parallel).toMatchObject({
    tensor: 2,
    pipeline: 2,
    micro_batch: 4,
    shard: "zero1",
    schedule: "1f1b",
    data: 2,
  });
  expect(stage!.recompute.summary).toBe("full");
  expect(stage!.decisions.find((d) => d.what === "parallel.tensor")).toMatchObject({ fixed: true, chose: "2" });
});

it("says what would fit where nothing does", () => {
  const outcome = planOf(fileText({ layers: 96, hidden: 12288, heads: 96, batch: "512 sequences" }));
  expect(outcome.value!.outcome).toBe("infeasible");
  expect(outcome.diagnostics.map((d) => d.code)).toContain("LLMP4101");
  expect(outcome.value!.stages[0]!.memory.fits).toBe(false);
  const [first] = outcome.value!.relaxations;
  expect(first?.flag).toMatch(/^--set c\.count=\d+$/);
});

it("takes the cheapest within the deadline, the fastest within the money", () => {
  const open = { count: "1..8", hidden: 2048, layers: 16, heads: 16 } as const;
  const front = planOf(fileText(open)).value!.stages[0]!.pareto;
  expect(front.length).toBeGreaterThan(2);
  const middle = front[Math.floor(front.length / 2)]!;
  const hours = Math.ceil(middle.total_seconds / 3600 + 0.01);
  const cheap = planOf(fileText({ ...open, budget: `budget { time < ${hours}h, minimize = cost }` })).value!.stages[0]!;
  const within = front.filter((p) => p.total_seconds <= hours * 3600);
  expect(cheap.cost.usd).toBeCloseTo(Math.min(...within.map((p) => p.usd!)), 6);
  const dollars = Math.ceil(middle.usd!) + 1;
  const fast = planOf(fileText({ ...open, budget: `budget { cost < $${dollars}, minimize = time }` })).value!
    .stages[0]!;
  const payable = front.filter((p) => p.usd! <= dollars);
  expect(fast.time.total_seconds).toBeCloseTo(Math.min(...payable.map((p) => p.total_seconds)), 6);
});

it("over budget: nearest plan as a flag to paste", () => {
  const outcome = planOf(
    fileText({ hidden: 2048, layers: 16, heads: 16, budget: "budget { time < 30min, minimize = cost }" }),
  );
  expect(outcome.value!.outcome).toBe("over_budget");
  expect(outcome.diagnostics.map((d) => d.code)).toContain("LLMP4107");
  expect(outcome.value!.relaxations.map((r) => r.flag)).toContainEqual(
    expect.stringMatching(/^--set budget\.time=\d+h$/),
  );
});

it("priced offers win over unpriced ones; an unknown price meets no cost budget", () => {
  const open = { instance: "p5.48xlarge | p5en.48xlarge", pricing: "on_demand | capacity_block", count: "1" } as const;
  const [stage] = planOf(fileText({ ...open, budget: "budget { cost < $1_000_000, minimize = cost }" })).value!.stages;
  expect(stage!.cost.usd).not.toBeNull();
  expect(stage!.decisions.find((d) => d.what === "cluster.pricing")?.because).toMatch(/no price of .* is known/);
  const blind = planOf(fileText({ pricing: "capacity_block", budget: "budget { cost < $1_000_000, minimize = cost }" }))
    .value!;
  expect(blind.outcome).toBe("over_budget");
  expect(blind.totals.usd).toBeNull();
});

it("both budgets missed: one change that meets both, as flags to paste", () => {
  const { relaxations } = planOf(
    fileText({ hidden: 2048, layers: 16, heads: 16, budget: "budget { time < 30min, cost < $1, minimize = cost }" }),
  ).value!;
  expect(relaxations.at(-1)?.flag ?? "").toMatch(/^--set budget\.time=\d+h --set 'budget\.cost=\$\d+'$/);
});

it("searches with all that the model of machines can say: splits of layers too, where memory is short", () => {
  const pipeline = pipelineOf(
    fileText({
      layers: 16,
      hidden: 2048,
      heads: 16,
      parallel: "{ pipeline = 4, tensor = 1, micro_batch = 1, schedule = 1f1b }",
      count: "1",
      instance: "small",
      budget: `accelerator tiny { vendor = nvidia, memory = 6656MiB, memory_bandwidth = 2TB, bf16 = 300T, link_bandwidth = 300GB, domain = 8 }
instance small { accelerator = tiny, accelerators = 8, memory = 500GiB, network = 50GB, price = $10 }`,
    }),
  );
  const made = plan(pipeline, hardware).value!;
  const by = (model: CostModel) =>
    planPipeline(pipeline, hardware, { build: buildModel, modelFor: () => model }).value!;
  expect(made.hash).toBe(by(costModel).hash);
  const { splitting: _, ...onlyEven } = costModel;
  const even = by(onlyEven);
  expect(even.outcome).toBe("ok");
  expect(made.stages[0]!.time.step_seconds).toBeLessThan(0.95 * even.stages[0]!.time.step_seconds);
});
