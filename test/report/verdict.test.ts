import { expect, it } from "vitest";
import type { Plan } from "../../src/planner/plan.js";
import { planVerdict } from "../../src/report/html/sections/verdict.js";

const known = (value: number) => ({ value, from: "file" });
const verdict = (budget: object, usd: number | null, outcome = "ok"): string =>
  planVerdict({ outcome, totals: { usd }, pipeline: { budget }, relaxations: [], warnings: [] } as unknown as Plan)
    .html;

it("says within budget only of a budget that was checked", () => {
  expect(verdict({ cost: known(100) }, 50)).toContain("within budget");
  expect(verdict({ cost: known(100) }, null)).toContain("cannot be checked");
  expect(verdict({ cost: known(100) }, null)).not.toContain("within budget");
  expect(verdict({}, 50)).not.toContain("budget");
  expect(verdict({ cost: known(10) }, 50, "over_budget")).toContain("Over budget");
});
