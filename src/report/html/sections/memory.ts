import type { StagePlan } from "../../../planner/plan.js";
import { formatBytes, formatGiB, formatSeconds } from "../../../units/index.js";
import { type Chart, palette } from "../../svg/plot.js";
import { peakParts } from "../../terminal/plan-words.js";
import { figure, type Html, html, table } from "../text.js";

const gib = 1024 ** 3;

export function legend(names: readonly string[]): Html {
  return html`<div class="legend" aria-hidden="true">${names.map((n, i) => html`<span><i style="background:${palette[i % palette.length] ?? "#999"}"></i>${n}</span>`)}</div>`;
}

/** Kinds of memory from the largest to the smallest, so that colours mean the same in both charts. */
function kindsOf(stage: StagePlan): readonly string[] {
  const largest = new Map<string, number>();
  const all = [
    ...stage.memory.breakdown,
    ...stage.memory.ranks.flatMap((r) => r.breakdown),
    ...stage.memory.timeline.flatMap((t) => t.items),
  ];
  for (const item of all) largest.set(item.what, Math.max(largest.get(item.what) ?? 0, item.bytes));
  return [...largest].sort((a, b) => b[1] - a[1]).map(([what]) => what);
}

interface Colours {
  readonly domain: string[];
  readonly range: string[];
}

export function memorySection(stage: StagePlan, chart: Chart): Html {
  const { memory } = stage;
  const kinds = kindsOf(stage);
  const colours = { domain: [...kinds], range: kinds.map((_, i) => palette[i % palette.length] ?? "#999") };
  return html`<h3>Memory</h3><p>Peak of ${formatBytes(memory.peak_bytes)} allocated (${formatBytes(memory.reserved_bytes)} reserved, ${formatBytes(memory.driver_bytes)} as the driver shows it) at <strong>${memory.peak_at}</strong>: ${peakParts(memory)}.
Host memory ${formatBytes(memory.host_bytes)}, disk ${formatBytes(memory.disk_bytes)} per node.</p>${legend(kinds)}${
    memory.timeline.length > 1 ? [overStep(stage, chart, kinds, colours)] : []
  }${stagesOverStep(stage, chart)}${byStage(stage, chart, kinds, colours)}`;
}

/** Moments in order, evenly spaced: what matters happens in the first hundredth of a step that accumulates. */
function overStep(stage: StagePlan, chart: Chart, kinds: readonly string[], colours: Colours): Html {
  const { memory } = stage;
  const moments = memory.timeline;
  const points = moments.flatMap((t, at) =>
    kinds.map((what) => {
      const bytes = t.items.find((i) => i.what === what)?.bytes ?? 0;
      return {
        at,
        gib: bytes / gib,
        what,
        title: `${t.label} (${formatSeconds(t.seconds)})\n${what}: ${formatBytes(bytes)}\nin all ${formatBytes(t.bytes)}`,
      };
    }),
  );
  const top = moments.reduce((a, b, i) => (b.bytes > (moments[a]?.bytes ?? 0) ? i : a), 0);
  const peak = moments[top];
  const capacity = memory.capacity_bytes / gib;
  const rank = memory.ranks.reduce(
    (a, b) => (b.peak_bytes > a.peak_bytes ? b : a),
    memory.ranks[0] ?? { rank: 0, peak_bytes: 0 },
  );
  const name = peak === undefined ? "" : `peak ${formatBytes(memory.peak_bytes)}: ${memory.peak_at}`;
  // About 6.4 px a bold character; the label stands where there is room for it.
  const x = 64 + ((top + 0.5) / moments.length) * 776;
  const room = name.length * 6.4;
  const anchor = x + room <= 860 ? "start" : x - room >= 64 ? "end" : "middle";
  const shift = anchor === "start" ? -20 : anchor === "end" ? 20 : 452 - x;
  return figure(
    "Memory over one step",
    `${memory.ranks.length > 1 ? `on the fullest stage (${rank.rank}); ` : ""}moments in order, not to scale; the dashed line is the device's capacity.`,
    chart.render(`Memory over one step, ${name}, of ${formatBytes(memory.capacity_bytes)}`, {
      height: 320,
      marginTop: 34,
      x: {
        label: null,
        domain: moments.map((_, i) => i),
        // Room for about nine times; the others are in the marks' titles and in the table.
        tickFormat: (i: number) =>
          i % Math.ceil(moments.length / 9) === 0 ? formatSeconds(moments[i]?.seconds ?? 0) : "",
        padding: 0.08,
      },
      y: { label: "GiB", grid: true },
      color: colours,
      marks: [
        chart.plot.barY(points, { x: "at", y: "gib", fill: "what", order: [...kinds], title: "title" }),
        chart.plot.ruleY([capacity], { stroke: "currentColor", strokeDasharray: "4 3" }),
        // Its moment is named in words above: here it would run out of the picture.
        chart.plot.text([`peak ${formatBytes(memory.peak_bytes)}`], {
          x: () => top,
          y: () => (peak?.bytes ?? 0) / gib,
          text: (d: string) => d,
          dy: -18,
          dx: shift,
          textAnchor: anchor,
          fontWeight: "bold",
          fill: "currentColor",
          stroke: "var(--bg)",
          strokeWidth: 4,
        }),
        chart.plot.dot([top], {
          x: (d: number) => d,
          y: () => (peak?.bytes ?? 0) / gib,
          dy: -7,
          r: 5,
          symbol: "triangle",
          rotate: 180,
          fill: "currentColor",
          title: () => name,
        }),
      ],
    }),
    table(
      "Memory over one step",
      ["at", "what happens", "GiB"],
      moments.map((t) => [formatSeconds(t.seconds), t.label, formatGiB(t.bytes)]),
      [2],
    ),
  );
}

/** One line a stage, the fullest drawn strong: which stages are near the edge, and how fast they get there. */
function stagesOverStep(stage: StagePlan, chart: Chart): readonly Html[] {
  const ranks = stage.memory.ranks.filter((r) => r.timeline !== undefined);
  if (ranks.length < 2) return [];
  const fullest = ranks.reduce((a, b) => (b.peak_bytes > a.peak_bytes ? b : a));
  const end = stage.time.step_seconds;
  // Warm-up only: behind it every stage stays where it is until the last micro-batches.
  const shown = Math.min(end, Math.max(...ranks.map((r) => (r.timeline?.at(-3)?.seconds ?? end) * 1.6)));
  const points = ranks.flatMap((r) =>
    (r.timeline ?? []).flatMap((t, i, all) => {
      const last = t.seconds > shown && (all[i - 1]?.seconds ?? 0) <= shown;
      return t.seconds <= shown || last
        ? [
            {
              seconds: Math.min(t.seconds, shown),
              gib: (last ? (all[i - 1]?.bytes ?? 0) : t.bytes) / gib,
              rank: r.rank,
              strong: r === fullest,
            },
          ]
        : [];
    }),
  );
  const ends = ranks.map((r) => ({ rank: r.rank, gib: r.peak_bytes / gib, strong: r === fullest }));
  return [
    figure(
      "Memory of every stage, warm-up of a step",
      `the fullest, stage ${fullest.rank}, drawn strong.`,
      chart.render(`Memory of each pipeline stage while a step warms up; the fullest is stage ${fullest.rank}`, {
        height: 260,
        x: { label: "seconds" },
        y: { label: "GiB", grid: true, zero: true },
        marks: [
          chart.plot.line(points, {
            x: "seconds",
            y: "gib",
            z: "rank",
            curve: "step-after",
            stroke: (d: (typeof points)[number]) => (d.strong ? palette[5] : palette[4]),
            strokeWidth: (d: (typeof points)[number]) => (d.strong ? 3 : 1.2),
            title: (d: (typeof points)[number]) =>
              `stage ${d.rank}: peak ${formatBytes(ends.find((e) => e.rank === d.rank)!.gib * gib)}`,
          }),
          chart.plot.ruleY([stage.memory.capacity_bytes / gib], { stroke: "currentColor", strokeDasharray: "4 3" }),
        ],
      }),
      table(
        "Memory of every stage over a step, GiB",
        [
          "stage",
          ...(ranks[0]?.timeline ?? []).map((_, i, all) =>
            i === 0 ? "start" : i === all.length - 1 ? "end" : String(i),
          ),
        ],
        ranks.map((r) => [String(r.rank), ...(r.timeline ?? []).map((t) => formatGiB(t.bytes))]),
        (ranks[0]?.timeline ?? []).map((_, i) => i + 1),
      ),
    ),
  ];
}

function byStage(stage: StagePlan, chart: Chart, kinds: readonly string[], colours: Colours): Html {
  const { memory } = stage;
  const bars = memory.ranks.flatMap((r) =>
    r.breakdown.map((i) => ({ rank: `stage ${r.rank}`, gib: i.bytes / gib, what: i.what })),
  );
  return figure(
    memory.ranks.length > 1 ? "Peak by pipeline stage" : "What the peak is made of",
    "",
    chart.render("Peak memory by pipeline stage", {
      height: 60 + 26 * Math.max(1, memory.ranks.length),
      marginLeft: 74,
      x: { label: "GiB", grid: true },
      y: { label: null, domain: memory.ranks.map((r) => `stage ${r.rank}`) },
      color: colours,
      marks: [
        chart.plot.barX(bars, {
          x: "gib",
          y: "rank",
          fill: "what",
          order: [...kinds],
          title: (d: (typeof bars)[number]) => `${d.rank}\n${d.what}: ${d.gib.toFixed(2)} GiB`,
        }),
        chart.plot.ruleX([memory.capacity_bytes / gib], { stroke: "currentColor", strokeDasharray: "4 3" }),
      ],
    }),
    table(
      "Peak by pipeline stage, GiB",
      ["stage", ...kinds, "peak"],
      memory.ranks.map((r) => [
        String(r.rank),
        ...kinds.map((k) => formatGiB(r.breakdown.find((i) => i.what === k)?.bytes ?? 0)),
        formatGiB(r.peak_bytes),
      ]),
      kinds.map((_, i) => i + 1).concat(kinds.length + 1),
    ),
  );
}
