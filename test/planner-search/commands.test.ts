import { expect, it } from "vitest";
import { differences } from "../../src/cli/commands/diff.js";
import { combinations } from "../../src/cli/commands/sweep.js";
import { planPipeline } from "../../src/planner/pipeline-plan.js";
import { renderPlan } from "../../src/report/terminal/plan.js";
import { fileText, hardware, pipelineOf, type Text, tools } from "./stand-in.js";

const planOf = (text: Text) => planPipeline(pipelineOf(fileText(text)), hardware, tools()).value!;

it("sweep: all combinations, the last name fastest", () => {
  expect(combinations(["a=1,2", "b=x,y"])).toEqual([
    ["a=1", "b=x"],
    ["a=1", "b=y"],
    ["a=2", "b=x"],
    ["a=2", "b=y"],
  ]);
});

it("diff: nothing for equal plans, signed changes for others", () => {
  const a = planOf({});
  expect(differences(a, planOf({}))).toEqual([]);
  const rows = differences(a, planOf({ count: "2" }));
  expect(rows.find((r) => r.what === "machines")).toMatchObject({
    before: "1 × p5.48xlarge",
    after: "2 × p5.48xlarge",
  });
  expect(rows.find((r) => r.what === "time")?.change).toMatch(/^-\d/);
});

it("the page: verdict first, one screen, a flag to paste", () => {
  const page = renderPlan(
    planOf({ count: "1..4", budget: "budget { time < 20min, cost < $1_000 }", hidden: 2048, layers: 16, heads: 16 }),
  );
  const lines = page.split("\n");
  expect(lines[2]).toMatch(/FITS|DOES NOT FIT/);
  expect(page).toMatch(/budget: .*[✓✗]/u);
  expect(page).toMatch(/chosen ✔/u);
  expect(page).toMatch(/--set c\.count=\d/);
  expect(lines.length).toBeLessThan(45);
  expect(page).not.toMatch(/undefined|NaN|\[object/);
});

it("--why says what the neighbour would have cost; --layout places every weight", () => {
  const plan = planOf({ hidden: 4096, layers: 32, heads: 32 });
  expect(renderPlan(plan, { why: "parallel.tensor" })).toMatch(/\d+ not \d+: /);
  expect(renderPlan(plan, { layout: true })).toMatch(/Mesh, slowest link first: .*\(/);
});
