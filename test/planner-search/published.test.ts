/**
 * Layouts that people tuned by hand and published. Each must count as feasible, and the planner's own choice for the same
 * model, batch and machines must be predicted no slower.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import { buildModel } from "../../src/model/index.js";
import { costModel } from "../../src/planner/cost-model.js";
import { stageProblem } from "../../src/planner/search/problem.js";
import { search } from "../../src/planner/search/solve.js";
import { fileOf, published } from "./published.js";
import { hardware } from "./stand-in.js";
import { checkedPipeline } from "./std.js";

/** Rows of the table in docs/PLANNER.md, by name. */
const page = readFileSync(path.join(import.meta.dirname, "../../docs/PLANNER.md"), "utf8");
const told = new Map(
  page
    .split("\n")
    .map((line) => line.split("|").map((cell) => cell.trim()))
    .filter((cells) => cells.length === 7)
    .map(([, name, , theirs, , ours]) => [name, { theirs: Number(theirs), ours: Number(ours) }] as const),
);

function best(text: string) {
  const pipeline = checkedPipeline(text);
  const { problem } = stageProblem(pipeline, pipeline.stages[0]!, hardware, buildModel, {});
  return search(problem!, costModel);
}

it.each(published)("$name", (p) => {
  const theirs = best(fileOf(p, p.parallel, p.recompute));
  expect(theirs.front.length, `${p.source}: feasible`).toBeGreaterThan(0);
  const ours = best(fileOf(p, "auto", "auto"));
  expect(ours.complete).toBe(true);
  const [a, b] = [theirs.front[0]!.stepSeconds, ours.front[0]!.stepSeconds];
  expect(b).toBeLessThanOrEqual(a * (1 + 1e-9));
  // The page says about this: `node bench/published.mjs` writes its table.
  const row = told.get(p.name);
  expect(Math.abs(row!.theirs / a - 1), `${p.name}: ${a} s`).toBeLessThan(0.05);
  expect(Math.abs(row!.ours / b - 1), `${p.name}: ${b} s`).toBeLessThan(0.05);
});
