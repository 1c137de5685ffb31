import type { StagePlan } from "../../../planner/plan.js";
import { formatBytes, formatGiB, formatSeconds } from "../../../units/index.js";
import { type Chart, palette } from "../../svg/plot.js";
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

export function memorySection(stage: StagePlan, chart: Chart): Html {
  const { memory } = stage;
  const kinds = kindsOf(stage);
  const colour = { domain: [...kinds], range: kinds.map((_, i) => palette[i % palette.length] ?? "#999") };
  const capacity = memory.capacity_bytes / gib;
  const parts: Html[] = [
    html`<p>Peak of ${formatBytes(memory.peak_bytes)} allocated (${formatBytes(memory.reserved_bytes)} reserved, ${formatBytes(memory.driver_bytes)} as the driver shows it) at <strong>${memory.peak_at}</strong>.
Host memory ${formatBytes(memory.host_bytes)}, disk ${formatBytes(memory.disk_bytes)} per node.</p>`,
    legend(kinds),
  ];
  if (memory.timeline.length > 1) {
    const points = memory.timeline.flatMap((t) =>
      kinds.map((what) => ({
        seconds: t.seconds,
        gib: (t.items.find((i) => i.what === what)?.bytes ?? 0) / gib,
        what,
        label: t.label,
      })),
    );
    const peak = memory.timeline.reduce((a, b) => (b.bytes > a.bytes ? b : a));
    parts.push(
      figure(
        "Memory over one step",
        "on the fullest rank; the line is the device's capacity.",
        chart.render(
          `Memory over one step, peak ${formatBytes(memory.peak_bytes)} of ${formatBytes(memory.capacity_bytes)}`,
          {
            height: 300,
            x: { label: "seconds" },
            y: { label: "GiB", grid: true },
            color: colour,
            marks: [
              chart.plot.areaY(points, {
                x: "seconds",
                y: "gib",
                fill: "what",
                order: [...kinds],
                title: "what",
                curve: "step-after",
              }),
              chart.plot.ruleY([capacity], { stroke: "currentColor", strokeDasharray: "4 3" }),
              chart.plot.dot([peak], {
                x: "seconds",
                y: (d: typeof peak) => d.bytes / gib,
                r: 4,
                fill: "currentColor",
                title: (d: typeof peak) => `Peak: ${formatBytes(d.bytes)}\n${d.label}`,
              }),
            ],
          },
        ),
        table(
          "Memory over one step",
          ["at", "what happens", "GiB"],
          memory.timeline.map((t) => [formatSeconds(t.seconds), t.label, formatGiB(t.bytes)]),
          [2],
        ),
      ),
    );
  }
  const bars = memory.ranks.flatMap((r) =>
    r.breakdown.map((i) => ({ rank: `stage ${r.rank}`, gib: i.bytes / gib, what: i.what })),
  );
  parts.push(
    figure(
      memory.ranks.length > 1 ? "Peak by pipeline stage" : "What the peak is made of",
      "",
      chart.render("Peak memory by pipeline stage", {
        height: 60 + 26 * Math.max(1, memory.ranks.length),
        marginLeft: 74,
        x: { label: "GiB", grid: true },
        y: { label: null, domain: memory.ranks.map((r) => `stage ${r.rank}`) },
        color: colour,
        marks: [
          chart.plot.barX(bars, {
            x: "gib",
            y: "rank",
            fill: "what",
            order: [...kinds],
            title: (d: (typeof bars)[number]) => `${d.what}: ${d.gib.toFixed(2)} GiB`,
          }),
          chart.plot.ruleX([capacity], { stroke: "currentColor", strokeDasharray: "4 3" }),
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
    ),
  );
  return html`<h3>Memory</h3>${parts}`;
}
