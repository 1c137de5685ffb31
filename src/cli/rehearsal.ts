/** `llmp run FILE --rehearse`: the layout axis by axis, loss curves side by side, and a verdict. */
import type { Plan } from "../planner/plan.js";
import type { Rehearsal, RehearsedAxis } from "../runtime/index.js";
import { answer, answerJson, Exit, exit, note } from "./output.js";
import { table } from "./tables.js";

const figure = (x: number): string => (x === 0 ? "0" : x.toExponential(1));

export async function rehearsePlan(plan: Plan, json: boolean): Promise<void> {
  const { rehearse, tolerance } = await import("../runtime/index.js");
  const rehearsals = await rehearse(plan, {
    onAxis: (stage, { axis, here, workers, same }) =>
      note(`${stage}: ${axis} ${here} on ${workers} workers: ${same ? "same" : "differs"}`),
  });
  if (json) answerJson({ schema: "llmp.rehearsal/1", tolerance, stages: rehearsals });
  else answer(rehearsals.map((r) => page(r, tolerance)).join("\n\n"));
  if (rehearsals.some((r) => !r.same)) throw new Exit(exit.failed);
}

const axisRow = (a: RehearsedAxis): string[] => [
  a.axis,
  a.planned,
  a.here,
  String(a.workers),
  figure(a.loss),
  figure(a.weights),
  a.same ? "same" : "differs",
];

function page(r: Rehearsal, tolerance: number): string {
  const worst = Math.max(...r.axes.flatMap((a) => [a.loss, a.weights]));
  const verdict = r.same
    ? `${r.stage}: the layout computes what the plain program computes (largest difference ${figure(worst)}, limit ${figure(tolerance)})`
    : `${r.stage}: the layout does NOT compute what the plain program computes`;
  const axes = table(["axis", "plan", "here", "workers", "loss off", "weights off", ""], r.axes.map(axisRow));
  const losses = table(
    ["step", "plain", "layout", "off"],
    r.plain.map((loss, i) => [
      String(i + 1),
      loss.toFixed(6),
      r.layout[i]!.toFixed(6),
      figure(Math.abs(loss - r.layout[i]!) / Math.abs(loss)),
    ]),
  );
  const notes = [...r.misplaced.map((m) => `misplaced: ${m}`), ...r.left.map((l) => `note: ${l}`)];
  return [verdict, "", axes, "", losses, "", ...notes].join("\n").trimEnd();
}
