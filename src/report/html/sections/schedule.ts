import type { StagePlan } from "../../../planner/plan.js";
import { formatPercent, formatSeconds } from "../../../units/index.js";
import { type Chart, palette } from "../../svg/plot.js";
import { figure, type Html, html, raw, table } from "../text.js";

/** A Gantt of more tasks than this is unreadable (and large): warm-up and cool-down tell the story. */
const maxTasks = 1000;

const kinds = ["forward", "backward", "weight", "communicate", "optimizer"] as const;
const colours = [palette[0], palette[1], palette[2], palette[3], palette[7]];
const words: Readonly<Record<(typeof kinds)[number], string>> = {
  forward: "forward",
  backward: "backward",
  weight: "weight gradients",
  communicate: "communication",
  optimizer: "optimizer",
};

type Task = StagePlan["time"]["schedule"][number];

export function scheduleSection(stage: StagePlan, chart: Chart): Html {
  const sorted = [...stage.time.schedule].sort((a, b) => a.start - b.start);
  if (sorted.length === 0) return raw("");
  const end = Math.max(...sorted.map((t) => t.end));
  const present = kinds.filter((k) => sorted.some((t) => t.kind === k));
  const legend = html`<div class="legend" aria-hidden="true">${present.map((k) => html`<span><i style="background:${colours[kinds.indexOf(k)] ?? "#999"}"></i>${words[k]}</span>`)}<span><i class="hatch"></i>bubble</span></div>`;
  const batches = Math.max(...sorted.map((t) => t.micro_batch)) + 1;
  const cut =
    batches < stage.parallel.accumulation
      ? `; ${batches} of ${stage.parallel.accumulation} micro-batches simulated`
      : "";
  if (sorted.length <= maxTasks)
    return html`${legend}${[gantt(stage, chart, sorted, [0, end], "Pipeline schedule", `${stage.parallel.schedule}${cut}.`, true)]}`;
  const half = maxTasks / 2;
  const head = sorted.slice(0, half);
  const tail = sorted.slice(-half);
  return html`${legend}${[
    gantt(
      stage,
      chart,
      head,
      [0, head.at(-1)?.start ?? end],
      "Pipeline schedule: warm-up",
      `${stage.parallel.schedule}, first ${half} of ${sorted.length} tasks${cut}.`,
      true,
    ),
    gantt(stage, chart, tail, [tail[0]?.start ?? 0, end], "Pipeline schedule: cool-down", `last ${half} tasks.`, false),
  ]}`;
}

function gantt(
  stage: StagePlan,
  chart: Chart,
  tasks: readonly Task[],
  window: readonly [number, number],
  title: string,
  note: string,
  data: boolean,
): Html {
  const { schedule } = stage.time;
  const ranks = [...new Set(schedule.map((t) => t.rank))].sort((a, b) => a - b);
  const whole = Math.max(...schedule.map((t) => t.end));
  const busy = ranks.map((r) => schedule.filter((t) => t.rank === r).reduce((s, t) => s + t.end - t.start, 0) / whole);
  const rows = tasks.map((t) => ({
    ...t,
    end: Math.min(t.end, window[1]),
    rank: `stage ${t.rank}`,
    title: `stage ${t.rank}: ${words[t.kind]} of micro-batch ${t.micro_batch}${stage.parallel.virtual > 1 ? `, chunk ${t.chunk}` : ""}\n${formatSeconds(t.start)} – ${formatSeconds(t.end)}`,
  }));
  const svg = chart.render(`${title}: one row per stage`, {
    height: 50 + 20 * ranks.length,
    marginLeft: 74,
    x: { label: "seconds", domain: [...window] },
    y: { label: null, domain: ranks.map((r) => `stage ${r}`), padding: 0.12 },
    color: { domain: [...kinds], range: colours },
    marks: [
      chart.plot.barX(
        ranks.map((r) => ({ rank: `stage ${r}` })),
        { x1: window[0], x2: window[1], y: "rank", fill: "url(#bubble)" },
      ),
      chart.plot.barX(rows, { x1: "start", x2: "end", y: "rank", fill: "kind", inset: 0.3, title: "title" }),
    ],
  });
  const caption = data
    ? `${note} Hatched: idle (${formatPercent(1 - Math.max(...busy), 2)} – ${formatPercent(1 - Math.min(...busy), 2)} of the simulated step).`
    : note;
  return figure(
    title,
    caption,
    svg,
    data
      ? table(
          "Busy share of each stage",
          ["stage", "busy", "bubble"],
          ranks.map((r, i) => [String(r), formatPercent(busy[i] ?? 0), formatPercent(1 - (busy[i] ?? 0))]),
          [1, 2],
        )
      : undefined,
  );
}
