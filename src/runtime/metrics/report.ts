/** One self-contained HTML page of a run: loss curves as inline SVG, planned beside measured. No script, no network. */
import { formatBytes, formatCount, formatDeviation, formatNumber, formatSeconds } from "../../units/index.js";
import type { RunInfo, StageInfo } from "./runs.js";

const html = (text: string): string => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** At most `limit` points: the mean of each bucket, so that spikes stay visible as bumps and files stay small. */
function thin(points: Series["points"], limit = 400): Series["points"] {
  if (points.length <= limit) return points;
  const size = points.length / limit;
  return Array.from({ length: limit }, (_, i) => {
    const bucket = points.slice(Math.floor(i * size), Math.max(Math.floor(i * size) + 1, Math.floor((i + 1) * size)));
    const mean = (k: 0 | 1) => bucket.reduce((sum, p) => sum + p[k], 0) / bucket.length;
    return [mean(0), mean(1)] as const;
  });
}

const colours = ["var(--a)", "var(--b)", "var(--c)", "var(--d)", "var(--e)"];

function chart(title: string, unit: string, all: readonly Series[]): string {
  const series = all
    .map((s) => ({ ...s, points: thin(s.points.filter((p) => Number.isFinite(p[1]))) }))
    .filter((s) => s.points.length > 0);
  if (series.length === 0) return "";
  const [width, height, left, bottom, top, right] = [640, 260, 56, 28, 12, 12];
  const xs = series.flatMap((s) => s.points.map((p) => p[0]));
  const ys = series.flatMap((s) => s.points.map((p) => p[1]));
  const [x0, x1] = [Math.min(...xs), Math.max(...xs, Math.min(...xs) + 1)];
  const pad = (Math.max(...ys) - Math.min(...ys)) * 0.05 || Math.abs(ys[0] ?? 1) * 0.1 || 1;
  const [y0, y1] = [Math.min(...ys) - pad, Math.max(...ys) + pad];
  const px = (x: number) => left + ((x - x0) / (x1 - x0)) * (width - left - right);
  const py = (y: number) => height - bottom - ((y - y0) / (y1 - y0)) * (height - bottom - top);
  const ticks = (low: number, high: number) => {
    const raw = (high - low) / 5;
    const base = 10 ** Math.floor(Math.log10(raw));
    const step = ([1, 2, 5, 10].find((m) => m * base >= raw) ?? 10) * base;
    const out: number[] = [];
    for (let t = Math.ceil(low / step) * step; t <= high + step * 1e-9; t += step) out.push(t);
    return out;
  };
  const grid = [
    ...ticks(y0, y1).map(
      (t) =>
        `<line x1="${left}" x2="${width - right}" y1="${py(t).toFixed(1)}" y2="${py(t).toFixed(1)}"/><text x="${left - 6}" y="${(py(t) + 4).toFixed(1)}" text-anchor="end">${formatNumber(t)}</text>`,
    ),
    ...ticks(x0, x1).map(
      (t) => `<text x="${px(t).toFixed(1)}" y="${height - 8}" text-anchor="middle">${formatCount(t)}</text>`,
    ),
  ].join("");
  const lines = series.map(
    (s, i) =>
      `<polyline fill="none" stroke="${colours[i % colours.length]}" stroke-width="1.6" points="${s.points.map((p) => `${px(p[0]).toFixed(1)},${py(p[1]).toFixed(1)}`).join(" ")}"><title>${html(s.name)}</title></polyline>`,
  );
  const dots = series.flatMap((s, i) =>
    s.points.length > 20
      ? []
      : s.points.map(
          ([x, y]) =>
            `<circle r="3" fill="${colours[i % colours.length]}" cx="${px(x).toFixed(1)}" cy="${py(y).toFixed(1)}"/>`,
        ),
  );
  const legend = series.map(
    (s, i) =>
      `<span><i style="background:${colours[i % colours.length]}"></i>${html(s.name)} ${formatNumber(s.points.at(-1)?.[1] ?? 0, 4)}</span>`,
  );
  return `<figure><figcaption>${html(title)}${unit === "" ? "" : ` <small>${html(unit)}</small>`}<div>${legend.join("")}</div></figcaption><svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${html(title)} over steps"><g class="grid">${grid}</g>${lines.join("")}${dots.join("")}</svg></figure>`;
}

function stageSection(stage: StageInfo, run: RunInfo): string {
  const of = (name: string, value: (m: StageInfo["metrics"][number]) => number | undefined): Series => ({
    name,
    points: stage.metrics.flatMap((m) => {
      const y = value(m);
      return y === undefined ? [] : [[m.step, y] as const];
    }),
  });
  const keys = (pick: "losses" | "extra") => [...new Set(stage.metrics.flatMap((m) => Object.keys(m[pick] ?? {})))];
  const datasets = keys("losses");
  const heldOut = [...new Set(stage.heldOut.flatMap((h) => Object.keys(h.losses)))].map(
    (d): Series => ({
      name: `held-out ${d}`,
      points: stage.heldOut.flatMap((h) => {
        const y = h.losses[d];
        return y === undefined ? [] : [[h.step, y] as const];
      }),
    }),
  );
  const summary = run.summary?.stages.find((s) => s.name === stage.name);
  const last = stage.metrics.at(-1);
  const rows = summary === undefined ? "" : planned(summary);
  return `<section><h2>${html(stage.name)}</h2><p>${last === undefined ? "no steps yet" : `step ${formatCount(last.step)}${stage.steps === undefined ? "" : ` of ${formatCount(stage.steps)}`}, loss ${formatNumber(last.loss, 4)}`}</p>${rows}
${chart("Loss", "", [of("all", (m) => m.loss), ...(datasets.length > 1 ? datasets.map((d) => of(d, (m) => m.losses?.[d])) : []), ...heldOut])}
${keys("extra")
  .map((k) => chart(k, "", [of(k, (m) => m.extra?.[k])]))
  .join("")}
${chart("Tokens per second", "", [of("tokens/s", (m) => m.tokens_per_second)])}
${chart("Learning rate", "", [of("lr", (m) => m.lr)])}
${chart("Gradient norm", "", [of("norm", (m) => m.grad_norm)])}</section>`;
}

function planned(s: NonNullable<RunInfo["summary"]>["stages"][number]): string {
  const row = (what: string, p: string, m: string, o: string) =>
    `<tr><th>${what}</th><td>${p}</td><td>${m}</td><td>${o}</td></tr>`;
  return `<table><thead><tr><th></th><th>planned</th><th>measured</th><th>off by</th></tr></thead><tbody>
${row("peak memory", formatBytes(s.predicted.peak_bytes), formatBytes(s.measured.peak_bytes), formatDeviation(s.predicted.peak_bytes, s.measured.peak_bytes))}
${row("step", formatSeconds(s.predicted.step_seconds), formatSeconds(s.measured.step_seconds), formatDeviation(s.predicted.step_seconds, s.measured.step_seconds))}
</tbody></table>`;
}

export function runReport(run: RunInfo): string {
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${html(run.name)}</title>
<style>
:root{color-scheme:light dark;--a:#2563eb;--b:#d97706;--c:#059669;--d:#c026d3;--e:#dc2626;--line:#8884}
body{font:15px/1.5 system-ui,sans-serif;max-width:1320px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.4rem}h2{font-size:1.15rem;margin-top:2rem}section{display:flex;flex-wrap:wrap;gap:1rem}section>h2,section>p,section>table{flex-basis:100%;margin:0}
figure{margin:0;flex:1 1 480px;max-width:640px}figcaption{font-weight:600}figcaption div{font-weight:400;font-size:.85em}figcaption span{margin-right:1em}figcaption i{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:.3em}
svg{width:100%;height:auto}.grid line{stroke:var(--line)}.grid text{fill:currentColor;font-size:11px;opacity:.75}
table{border-collapse:collapse}td,th{padding:.15rem .9rem .15rem 0;text-align:right;font-variant-numeric:tabular-nums}tbody th{text-align:left;font-weight:400}
</style>
<h1>${html(run.name)} <small>${run.status}</small></h1>
<p>${run.record === undefined ? "" : `started ${html(run.record.started)}${run.record.ended === undefined ? "" : `, ended ${html(run.record.ended)}`}`}${run.record?.reason === undefined ? "" : `<br>${html(run.record.reason)}`}</p>
${run.stages.map((stage) => stageSection(stage, run)).join("\n")}
</html>
`;
}
