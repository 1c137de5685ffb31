import type { StagePlan } from "../../../planner/plan.js";
import { formatPercent, formatSeconds } from "../../../units/index.js";
import { type Chart, palette } from "../../svg/plot.js";
import { figure, type Html, html, table } from "../text.js";

/** A Gantt of more tasks than this is unreadable (and large): the first micro-batches tell the story. */
const maxTasks = 1600;

export function timeSection(stage: StagePlan, chart: Chart): Html {
  const { time } = stage;
  const total = time.breakdown.reduce((sum, b) => sum + b.seconds, 0) || 1;
  let at = 0;
  const parts = time.breakdown.map((b) => {
    const start = at;
    at += b.seconds;
    return { ...b, start, end: at };
  });
  const split = figure(
    "Where a step goes",
    `${formatSeconds(time.step_seconds)} in all`,
    chart.render("Where the time of a step goes", {
      height: 60 + 24 * parts.length,
      // About 6 px a character: a label is never cut off.
      marginLeft: 24 + 6 * Math.max(...parts.map((p) => p.what.length), 8),
      x: { label: "seconds", grid: true },
      y: { label: null, domain: parts.map((p) => p.what) },
      marks: [
        chart.plot.barX(parts, {
          x1: "start",
          x2: "end",
          y: "what",
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
  return html`<h3>Time</h3><p>Calendar time ${formatSeconds(time.total_seconds)}, of which ${formatPercent(time.goodput)} trains (the rest: saves, failures, restarts).</p>${split}${
    time.schedule.length === 0 ? [] : [gantt(stage, chart)]
  }`;
}

const kinds = ["forward", "backward", "weight", "communicate", "optimizer"] as const;

function gantt(stage: StagePlan, chart: Chart): Html {
  const sorted = [...stage.time.schedule].sort((a, b) => a.start - b.start);
  const tasks = sorted.slice(0, maxTasks).map((t) => ({ ...t, rank: `stage ${t.rank}` }));
  const ranks = [...new Set(stage.time.schedule.map((t) => t.rank))].sort((a, b) => a - b);
  const busy = ranks.map((r) =>
    stage.time.schedule.filter((t) => t.rank === r).reduce((s, t) => s + t.end - t.start, 0),
  );
  const end = Math.max(...stage.time.schedule.map((t) => t.end));
  return figure(
    "Pipeline schedule",
    `${stage.parallel.schedule}${sorted.length > maxTasks ? `, first ${maxTasks} of ${sorted.length} tasks` : ""}: forward blue, backward orange, weight gradients green; gaps are bubbles.`,
    chart.render("Pipeline schedule, one row per stage", {
      height: 50 + 20 * ranks.length,
      marginLeft: 74,
      x: { label: "seconds" },
      y: { label: null, domain: ranks.map((r) => `stage ${r}`), padding: 0.12 },
      color: { domain: [...kinds], range: [palette[0], palette[1], palette[2], palette[3], palette[7]] },
      marks: [
        chart.plot.barX(tasks, {
          x1: "start",
          x2: "end",
          y: "rank",
          fill: "kind",
          inset: 0.3,
          ...(tasks.length <= 600
            ? {
                title: (d: (typeof tasks)[number]) =>
                  `${d.kind} of micro-batch ${d.micro_batch}, chunk ${d.chunk}\n${formatSeconds(d.start)} – ${formatSeconds(d.end)}`,
              }
            : {}),
        }),
      ],
    }),
    table(
      "Busy share of each stage",
      ["stage", "busy", "bubble"],
      ranks.map((r, i) => [String(r), formatPercent((busy[i] ?? 0) / end), formatPercent(1 - (busy[i] ?? 0) / end)]),
      [1, 2],
    ),
  );
}
