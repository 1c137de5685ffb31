import type { Alternative, StagePlan } from "../../../planner/plan.js";
import { formatBytes, formatNumber, formatSeconds, formatUsd } from "../../../units/index.js";
import { type Chart, palette } from "../../svg/plot.js";
import { describeLayout } from "../../terminal/plan-words.js";
import { figure, type Html, html, table } from "../text.js";

export const describe = (a: Alternative): string =>
  `${a.count} × ${a.instance} · ${describeLayout(a.parallel)} · mb ${a.parallel.micro_batch} · recompute ${a.recompute}`;

const row = (a: Alternative): readonly string[] => [
  describe(a),
  a.pricing,
  formatSeconds(a.step_seconds),
  formatSeconds(a.total_seconds),
  a.usd === null ? "unknown" : formatUsd(a.usd),
  formatBytes(a.peak_bytes),
];
const header = ["layout", "pricing", "step", "calendar time", "cost", "peak"];

export function searchSection(stage: StagePlan, chart: Chart): Html {
  const { search } = stage;
  const points = stage.pareto.flatMap((p) =>
    p.usd === null
      ? []
      : [{ days: p.total_seconds / 86_400, usd: p.usd, chosen: p.chosen, text: describe(p), seconds: p.total_seconds }],
  );
  const front =
    points.length < 2
      ? []
      : [
          figure(
            "Time against cost",
            "each point is the best plan for its time; the filled one is chosen.",
            chart.render("Calendar time against cost of the best plans", {
              height: 300,
              x: { label: "days", grid: true, zero: true },
              y: { label: "US$", grid: true, zero: true, tickFormat: (d: number) => formatUsd(d) },
              marks: [
                chart.plot.line(points, { x: "days", y: "usd", stroke: palette[7], curve: "step-after" }),
                chart.plot.dot(points, {
                  x: "days",
                  y: "usd",
                  r: 6,
                  stroke: palette[0],
                  fill: (d: (typeof points)[number]) => (d.chosen ? palette[1] : "var(--bg)"),
                  strokeWidth: 2,
                  title: (d: (typeof points)[number]) =>
                    `${d.text}\n${formatSeconds(d.seconds)} · ${formatUsd(d.usd)}${d.chosen ? "\nchosen" : ""}`,
                }),
              ],
            }),
            table("Time against cost", header, stage.pareto.map(row), [2, 3, 4, 5]),
          ),
        ];
  return html`<h3>Search</h3><p>${formatNumber(search.considered, 12)} considered · ${formatNumber(search.evaluated, 12)} evaluated · ${formatNumber(search.pruned, 12)} pruned · ${
    search.optimal ? "best under the cost model" : "search stopped early"
  } <span class="dim">(${search.proof})</span></p>${front}${
    stage.alternatives.length === 0 ? [] : [table("Runners-up", header, stage.alternatives.map(row), [2, 3, 4, 5])]
  }`;
}
