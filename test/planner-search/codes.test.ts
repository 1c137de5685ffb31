/** Each code of the planner, and a file that triggers it. */
import { expect, it } from "vitest";
import { planCodes } from "../../src/diagnostics/index.js";
import { planPipeline } from "../../src/planner/pipeline-plan.js";
import { fileText, hardware, pipelineOf, type Text, tools } from "./stand-in.js";

const codesOf = (text: Text, limit?: number): readonly string[] =>
  planPipeline(pipelineOf(fileText(text)), hardware, tools(), limit === undefined ? {} : { limit }).diagnostics.map(
    (d) => d.code,
  );

const triggers: Readonly<Record<string, () => readonly string[]>> = {
  LLMP4001: () => codesOf({ engine: "megatron", instance: "trn1.32xlarge", parallel: "auto" }),
  LLMP4002: () => codesOf({ batch: "13 sequences", parallel: "{ tensor = 1 | 2, pipeline = 1, context = 1 }" }),
  LLMP4101: () =>
    codesOf({ layers: 80, hidden: 8192, heads: 64, recompute: "none", parallel: "{ tensor = 1, pipeline = 1 }" }),
  LLMP4107: () => codesOf({ budget: "budget { cost < $1, minimize = cost }" }),
  LLMP4108: () => codesOf({ pricing: "capacity_block" }),
  LLMP4110: () => codesOf({ pricing: "capacity_block", budget: "budget { cost < $1_000_000_000, minimize = cost }" }),
  LLMP4109: () => codesOf({ count: "1..2" }, 1),
};

it.each(Object.keys(planCodes.codes))("%s", (code) => {
  expect(triggers[code]?.()).toContain(code);
});
