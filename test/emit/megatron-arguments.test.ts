/** Every argument that is written for Megatron-LM is one of its own (fixtures/megatron-arguments.json: names read from arguments.py). */
import { readFileSync } from "node:fs";
import { load } from "js-yaml";
import { expect, it } from "vitest";
import { emit } from "../../src/emit/index.js";
import type { Plan } from "../../src/planner/plan.js";
import { cases } from "./fixtures/cases.js";
import { exampleNames, examplePlan } from "./fixtures/examples.js";

const known = new Set(
  (JSON.parse(readFileSync("test/emit/fixtures/megatron-arguments.json", "utf8")) as { names: string[] }).names,
);

it("core_v0.16.1 has every argument of every example and case", async () => {
  const plans: Plan[] = [...Object.values(cases).map((make) => make()), ...exampleNames.map(examplePlan)];
  let files = 0;
  for (const plan of plans.filter((p) => p.stages.some((s) => s.engine === "megatron")))
    for (const file of (await emit("engine", plan)).value ?? []) {
      if (!/args\/phase-\d+\.yaml$/.test(file.path)) continue;
      files++;
      const lacking = Object.keys(load(file.text) as object).filter((name) => !known.has(name));
      expect(lacking, `${plan.source} ${file.path}`).toEqual([]);
    }
  expect(files).toBeGreaterThan(3);
});
