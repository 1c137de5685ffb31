import type { StagePlan } from "../../../planner/plan.js";
import { formatBytes, formatCount, formatPercent, formatSeconds } from "../../../units/index.js";
import { type Chart, palette } from "../../svg/plot.js";
import { peakParts, phaseName } from "../../terminal/plan-words.js";
import { figure, type Html, html, table } from "../text.js";
import { scheduleSection } from "./schedule.js";

/** Objectives that do more in a step than train one model: a row for each thing that they do. */
function phases(stage: StagePlan): Html {
  if (stage.phases === undefined) return html``;
  const top = stage.phases.reduce((a, b) => (b.peak_bytes > a.peak_bytes ? b : a));
  return html`<h4>Phases of a step</h4><p>Memory is fullest in <strong>${phaseName(top)}</strong>: ${peakParts(top)}.</p>${table(
    "Phases of a step",
    ["phase", "model", "tokens", "time", "share", "peak", "key/value cache", "portions"],
    stage.phases.map((p) => [
      phaseName(p),
      p.role,
      formatCount(p.tokens),
      formatSeconds(p.seconds),
      formatPercent(p.seconds / stage.time.step_seconds, 2),
      p.peak_bytes === 0 ? "–" : formatBytes(p.peak_bytes),
      p.cache_bytes === undefined ? "–" : formatBytes(p.cache_bytes),
      p.portions === undefined ? "–" : String(p.portions),
    ]),
    [2, 3, 4, 5, 6, 7],
  )}`;
}

export function timeSection(stage: StagePlan, chart: Chart): Html {
  const { time } = stage;
  const total = time.breakdown.reduce((sum, b) => sum + b.seconds, 0) || 1;
  let at = 0;
  const parts = time.breakdown.map((b) => {
    const start = at;
    at += b.seconds;
    return { ...b, start, end: at, label: `${b.what} ${formatPercent(b.seconds / total, 2)}` };
  });
  const split = figure(
    "Where a step goes",
    `${formatSeconds(time.step_seconds)} in all`,
    chart.render("Where the time of a step goes", {
      height: 60 + 24 * parts.length,
      // About 6 px a character: a label is never cut off.
      marginLeft: 24 + 6 * Math.max(...parts.map((p) => p.label.length), 8),
      x: { label: "seconds", grid: true },
      y: { label: null, domain: parts.map((p) => p.label) },
      marks: [
        chart.plot.barX(parts, {
          x1: "start",
          x2: "end",
          y: "label",
          fill: palette[0],
          title: (d: (typeof parts)[number]) =>
            `${d.what}: ${formatSeconds(d.seconds)} (${formatPercent(d.seconds / total)})`,
        }),
      ],
    }),
    table(
      "Where a step goes",
      ["part", "time", "share"],
      parts.map((p) => [p.what, formatSeconds(p.seconds), formatPercent(p.seconds / total)]),
      [1, 2],
    ),
  );
  return html`<h3>Time</h3><p>Calendar time ${formatSeconds(time.total_seconds)}, of which ${formatPercent(time.goodput)} trains (the rest: saves, failures, restarts).</p>${split}${phases(stage)}${scheduleSection(stage, chart)}`;
}
