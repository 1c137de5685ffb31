import { field, positive, words } from "../../catalog/index.js";
import type { BlockSpec } from "../types.js";

export const budget: BlockSpec = {
  keyword: "budget",
  doc: "Limits that the plan must keep, and what it minimises within them.",
  since: "0.1",
  named: false,
  single: true,
  limits: ["cost", "time", "memory"],
  fields: [
    field("cost", positive("usd"), "money for all stages together", "$50_000"),
    field("time", positive("seconds"), "time for all stages together", "7 days"),
    field("memory", positive("ratio", "bytes"), "share of a device's memory, or bytes of it", "92%"),
    field(
      "minimize",
      words({ cost: "the cheapest plan", time: "the fastest plan" }),
      "what the planner prefers",
      "cost",
      { default: "cost" },
    ),
  ],
  example: "budget { cost < $50_000, time < 7 days, memory < 92%, minimize = cost }",
};
