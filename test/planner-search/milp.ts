import load from "highs";
import type { LayerGroup, LayerOption } from "../../src/planner/recompute/index.js";

/** The same problem for HiGHS: integer counts per option, one binary choice of the largest transient. */
export async function milp(groups: readonly LayerGroup[], capacity: number): Promise<number> {
  const solver = await (
    load as unknown as () => Promise<{
      solve(problem: string, options: object): { Status: string; ObjectiveValue: number };
    }>
  )();
  const names: string[] = [];
  const terms = (of: (o: LayerOption, g: LayerGroup) => number): string =>
    groups.flatMap((g, i) => g.options.map((o, j) => `${of(o, g).toFixed(9)} x${i}_${j}`)).join(" + ");
  const rows = [`c0: ${terms((o, g) => o.bytes * g.inFlight)} + t <= ${capacity.toFixed(9)}`];
  groups.forEach((g, i) => {
    rows.push(`n${i}: ${g.options.map((_, j) => `x${i}_${j}`).join(" + ")} = ${g.count}`);
    g.options.forEach((o, j) => {
      names.push(`x${i}_${j}`);
      // An option in use forces the transient to be at least its own.
      rows.push(
        `u${i}_${j}: x${i}_${j} - ${g.count} b${i}_${j} <= 0`,
        `t${i}_${j}: t - ${o.transient.toFixed(9)} b${i}_${j} >= 0`,
      );
    });
  });
  const binaries = names.map((n) => n.replace("x", "b"));
  const problem = `Minimize\n obj: ${terms((o) => o.seconds)}\nSubject To\n ${rows.join("\n ")}\nGeneral\n ${names.join(" ")}\nBinary\n ${binaries.join(" ")}\nEnd`;
  const solution = solver.solve(problem, { mip_rel_gap: 0 });
  return solution.Status === "Optimal" ? solution.ObjectiveValue : Number.POSITIVE_INFINITY;
}
