/** How sure each figure is: the stated interval around it, from runs that were measured. */
import type { ConfidenceInterval, StagePlan } from "../../../planner/plan.js";
import { formatBytes, formatPercent, formatSeconds, formatUsd } from "../../../units/index.js";
import { type Chart, palette } from "../../svg/plot.js";
import { figure, type Html, html, table } from "../text.js";

interface Row {
  readonly what: string;
  readonly predicted: number;
  readonly interval: ConfidenceInterval;
  readonly show: (n: number) => string;
}

export function intervalSection(stage: StagePlan, chart: Chart): Html {
  const { interval, memory, time, cost } = stage;
  const all: readonly (Row | undefined)[] = [
    { what: "peak memory", predicted: memory.peak_bytes, interval: interval.peak_bytes, show: formatBytes },
    { what: "step time", predicted: time.step_seconds, interval: interval.step_seconds, show: formatSeconds },
    { what: "calendar time", predicted: time.total_seconds, interval: interval.total_seconds, show: formatSeconds },
    // What costs nothing has no share of itself.
    cost.usd === null || interval.usd === null || cost.usd === 0
      ? undefined
      : { what: "cost", predicted: cost.usd, interval: interval.usd, show: formatUsd },
  ];
  const rows = all.filter((r): r is Row => r !== undefined && r.predicted > 0);
  const bars = rows.map((r) => ({
    what: r.what,
    low: r.interval[0] / r.predicted - 1,
    high: r.interval[1] / r.predicted - 1,
    title: `${r.what}: ${r.show(r.predicted)}\n${r.show(r.interval[0])} – ${r.show(r.interval[1])}`,
  }));
  const capacity = memory.capacity_bytes / memory.peak_bytes - 1;
  const widest = Math.max(...bars.flatMap((b) => [Math.abs(b.low), Math.abs(b.high)]), 0.02) * 1.2;
  const limit =
    Math.abs(capacity) < widest
      ? [{ what: "peak memory", at: capacity, title: `capacity ${formatBytes(memory.capacity_bytes)}` }]
      : [];
  const signed = (x: number): string => `${x > 0 ? "+" : ""}${formatPercent(x, 2)}`;
  return html`<h3>How sure this is</h3>${figure(
    `${formatPercent(interval.confidence)} interval`,
    `of each figure, against what is predicted; drawn from ${interval.basis}.${limit.length > 0 ? " The red mark is the device's capacity." : ""}`,
    chart.render("Intervals around the predicted figures", {
      height: 50 + 30 * bars.length,
      marginLeft: 104,
      x: { label: "measured against predicted", tickFormat: signed, grid: true, domain: [-widest, widest] },
      y: { label: null, domain: bars.map((b) => b.what), padding: 0.55 },
      marks: [
        chart.plot.ruleX([0], { stroke: "currentColor" }),
        chart.plot.barX(bars, { x1: "low", x2: "high", y: "what", fill: palette[4], rx: 4, title: "title" }),
        chart.plot.dot(bars, { x: 0, y: "what", r: 4, fill: palette[0], title: "title" }),
        chart.plot.tickX(limit, { x: "at", y: "what", stroke: "var(--bad)", strokeWidth: 3, title: "title" }),
      ],
    }),
    table(
      "Intervals around the predicted figures",
      ["figure", "predicted", "low", "high"],
      rows.map((r) => [r.what, r.show(r.predicted), r.show(r.interval[0]), r.show(r.interval[1])]),
      [1, 2, 3],
    ),
  )}`;
}
