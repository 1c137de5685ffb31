/** `llmp plan`: one screen. The verdict first, then where, how, memory, what else there was, and the next command. */
import { type Alternative, type Plan, type StagePlan, standInPrice } from "../../planner/plan.js";
import {
  formatBytes,
  formatCount,
  formatGiB,
  formatNumber,
  formatPercent,
  formatSeconds,
  formatUsd,
} from "../../units/index.js";
import { type Paint, painter } from "./colour.js";
import { bar } from "./plan-bars.js";
import { layoutPage, whyPage } from "./plan-details.js";
import { describeLayout, phaseName } from "./plan-words.js";

export { describeLayout };

export interface PlanPageOptions {
  readonly color?: boolean;
  readonly width?: number;
  readonly verbose?: boolean;
  /** All decisions (`true`), or those whose name contains the word. */
  readonly why?: string | true;
  readonly layout?: boolean;
  /** Alternatives shown. */
  readonly top?: number;
  /** Only this stage. */
  readonly stage?: string;
}

export function renderPlan(plan: Plan, options: PlanPageOptions = {}): string {
  const paint = painter(options.color === true);
  const stages = plan.stages.filter((s) => options.stage === undefined || s.name === options.stage);
  if (options.why !== undefined) return stages.map((s) => whyPage(s, options.why!, paint)).join("\n");
  if (options.layout === true) return stages.map((s) => layoutPage(s, paint)).join("\n");
  const blocks = stages.map((s) => stagePage(plan, s, paint, options));
  return [...blocks, footer(plan, paint)].join("\n");
}

function stagePage(plan: Plan, s: StagePlan, paint: Paint, options: PlanPageOptions): string {
  const lines = [
    `${paint.bold(plan.source)} · train ${paint.bold(s.name)} · ${s.model.name} (${formatCount(s.model.parameters)}${
      s.model.active_parameters < s.model.parameters ? `, ${formatCount(s.model.active_parameters)} active` : ""
    }) · ${s.objective} ${formatCount(s.tokens)} tokens in ${formatNumber(s.steps, 9)} steps`,
    "",
    ...verdict(plan, s, paint),
    "",
    ...facts(s, paint, options.verbose === true),
    "",
    ...memory(s, paint),
    "",
    ...phases(s, paint),
    ...considered(plan, s, paint, options),
  ];
  if (options.verbose === true) lines.push("", ...details(s, paint));
  return `${lines.join("\n")}\n`;
}

const gib = 1024 ** 3;

const range = (r: readonly [number, number], show: (n: number) => string): string => `(${show(r[0])}–${show(r[1])})`;

function verdict(plan: Plan, s: StagePlan, paint: Paint): string[] {
  const { memory: m, interval } = s;
  const spread = Math.max(interval.peak_bytes[1] - m.peak_bytes, m.peak_bytes - interval.peak_bytes[0]);
  const word = m.fits ? paint.green(paint.bold("FITS")) : paint.red(paint.bold("DOES NOT FIT"));
  const usd =
    s.cost.usd === null
      ? "price unknown"
      : s.cost.usd_per_hour === 0
        ? "free"
        : `${paint.bold(formatUsd(s.cost.usd))} ${interval.usd === null ? "" : range(interval.usd, formatUsd)}`;
  const size = sizeOf(m);
  const of = small(m) ? size(m.capacity_bytes) : `${size(m.capacity_bytes)} GiB`;
  const lines = [
    `  ${word}   ${paint.bold(size(m.peak_bytes))} of ${of} (±${size(spread)})      ${paint.bold(
      formatSeconds(s.time.total_seconds),
    )} ${range(interval.total_seconds, formatSeconds)}      ${usd}`,
  ];
  const { budget } = plan.pipeline;
  const marks: string[] = [];
  const mark = (good: boolean): string => (good ? paint.green("✓") : paint.red("✗"));
  if (budget.time !== undefined)
    marks.push(`${formatSeconds(budget.time.value)} ${mark(plan.totals.seconds <= budget.time.value)}`);
  if (budget.cost !== undefined)
    marks.push(
      `${formatUsd(budget.cost.value)} ${plan.totals.usd === null ? "?" : mark(plan.totals.usd <= budget.cost.value)}`,
    );
  if (marks.length > 0) {
    const all =
      plan.stages.length > 1
        ? ` (all stages: ${formatSeconds(plan.totals.seconds)}${plan.totals.usd === null ? "" : `, ${formatUsd(plan.totals.usd)}`})`
        : "";
    const over =
      (budget.time !== undefined && plan.totals.seconds > budget.time.value) ||
      (budget.cost !== undefined && plan.totals.usd !== null && plan.totals.usd > budget.cost.value);
    const code = plan.outcome === "over_budget" ? `      ${paint.red(`error[${over ? "LLMP4107" : "LLMP4110"}]`)}` : "";
    lines.push(`         budget: ${marks.join("  ")}${all}${code}`);
  }
  return lines;
}

function facts(s: StagePlan, paint: Paint, verbose: boolean): string[] {
  const { cluster: c, parallel: p, cost, time } = s;
  const fixed = s.decisions.filter((d) => d.fixed && d.what.startsWith("cluster.")).map((d) => d.what.slice(8));
  const row = (name: string, text: string): string => `  ${paint.dim(name.padEnd(12))} ${text}`;
  const local = c.provider === "local";
  const lines = [
    row(
      "Where",
      local
        ? `this machine${c.accelerators > 1 ? `, ${c.accelerators} workers` : ""}`
        : `${c.count} × ${c.instance}, ${cost.pricing.replace("_", " ")} (${c.accelerators} ${c.accelerator})${fixed.length > 0 ? paint.dim(`  ${fixed.join(", ")} fixed`) : ""}`,
    ),
    row(
      "Parallel",
      `tensor ${p.tensor}${p.sequence ? "+SP" : ""} · pipeline ${p.pipeline}${p.virtual > 1 ? `×${p.virtual}` : ""}${p.pipeline > 1 ? ` (${p.schedule})` : ""}${p.context > 1 ? ` · context ${p.context}` : ""}${
        p.expert > 1 ? ` · expert ${p.expert}` : ""
      } · data ${p.data}${p.shard === "none" ? "" : ` (${p.shard})`} · micro-batch ${p.micro_batch} × ${p.accumulation} accumulated`,
    ),
    row("Recompute", recomputed(s)),
    row(
      "Engine",
      `${s.engine} · ${s.precision} · ${formatNumber(s.context_length, 9)} tokens × ${formatNumber(s.global_batch, 9)} sequences a step`,
    ),
    row(
      "Speed",
      `${formatNumber(time.tokens_per_second_per_device)} tokens/s/device · ${formatPercent(time.mfu)} of peak · step ${formatSeconds(time.step_seconds)} ${range(
        s.interval.step_seconds,
        formatSeconds,
      )}${local ? "" : ` · goodput ${formatPercent(time.goodput)}`}`,
    ),
    row("", paint.dim(shares(s))),
  ];
  if (!local) {
    lines.push(
      row(
        "Price",
        cost.usd_per_hour === null
          ? paint.dim(cost.price_source)
          : `${formatUsd(cost.usd_per_hour)} an hour ${paint.dim(priceNote(cost, verbose))}`,
      ),
    );
  }
  return lines;
}

/** How much to trust the price; where it was read only where asked. */
function priceNote({ price_source, price_date, pricing }: StagePlan["cost"], verbose: boolean): string {
  const known = [
    verbose || price_date === "" ? price_source : pricing.replaceAll("_", " "),
    ...(price_date === "" ? [] : [`as of ${price_date}`]),
    ...(!verbose && price_source.endsWith(`(${standInPrice})`) ? [standInPrice] : []),
  ];
  return known.join(" · ");
}

/** Where the step goes. */
const shares = (s: StagePlan): string =>
  s.time.breakdown
    .filter((b) => b.seconds > s.time.step_seconds * 0.005)
    .map((b) => `${b.what} ${formatPercent(b.seconds / s.time.step_seconds, 2)}`)
    .join(" · ");

function recomputed(s: StagePlan): string {
  const inner = s.recompute.layers.slice(1, -1);
  const dropped = inner.filter((l) => l.mode !== "none");
  if (dropped.length === 0) return `none${s.offload === "none" ? "" : ` · offload ${s.offload}`}`;
  const ops = [...new Set(dropped.flatMap((l) => l.ops))];
  const what = dropped.every((l) => l.mode === "full") ? "whole layers" : ops.slice(0, 4).join(", ");
  const cost = s.time.breakdown.find((b) => b.what.includes("recompute"));
  return `${s.recompute.summary}: ${what} in ${dropped.length} of ${inner.length} layers${cost === undefined ? "" : ` (${formatPercent(cost.seconds / s.time.step_seconds, 2)} of the step)`}${
    s.offload === "none" ? "" : ` · offload ${s.offload}`
  }`;
}

/** GiB to one digit says nothing of a model of a few MiB: those get a unit each. */
const small = (m: StagePlan["memory"]): boolean => m.peak_bytes < gib;
const sizeOf = (m: StagePlan["memory"]): ((bytes: number) => string) => (small(m) ? formatBytes : formatGiB);

function memory(s: StagePlan, paint: Paint): string[] {
  const { memory: m } = s;
  const columns = 32;
  const size = sizeOf(m);
  // Bars show how full the device is; where it is nearly empty, what the peak is made of.
  const whole = m.peak_bytes < m.capacity_bytes * 0.1 ? m.peak_bytes : m.capacity_bytes;
  const items = [...m.breakdown].sort((a, b) => b.bytes - a.bytes).filter((i) => i.bytes > whole * 0.001);
  const name = Math.max(...items.map((i) => i.what.length), 8);
  const legend = `   ${small(m) ? "" : "GiB, "}bars: of ${whole === m.peak_bytes ? "the peak" : size(whole)}`;
  const lines = [`  Memory at its peak (${m.peak_at})${paint.dim(legend)}`];
  for (const item of items.slice(0, 7)) {
    lines.push(
      `    ${item.what.padEnd(name)} ${paint.cyan(bar(item.bytes / whole, columns).padEnd(columns))} ${size(item.bytes).padStart(8)}`,
    );
  }
  if (m.ranks.length > 1) {
    const shown = m.ranks.length <= 8 ? m.ranks : [...m.ranks.slice(0, 4), ...m.ranks.slice(-3)];
    lines.push(
      `    ${paint.dim("per pipeline rank:")} ${shown.map((r) => `${r.rank}: ${size(r.peak_bytes)}`).join("  ")}`,
    );
  }
  return lines;
}

/** What an objective does in a step beside training one model: when, for how long, with how much memory. */
function phases(s: StagePlan, paint: Paint): string[] {
  if (s.phases === undefined) return [];
  const size = sizeOf(s.memory);
  const most = Math.max(...s.phases.map((p) => p.peak_bytes));
  const rows = s.phases.map((p) => [
    phaseName(p),
    p.tokens === 0 ? "" : `${formatCount(p.tokens)} tokens`,
    formatSeconds(p.seconds),
    formatPercent(p.seconds / s.time.step_seconds, 2),
    p.peak_bytes === 0 ? "" : `${size(p.peak_bytes)}${p.peak_bytes === most ? " ◂ peak" : ""}`,
    [
      p.cache_bytes === undefined ? "" : `key/value cache ${size(p.cache_bytes)}`,
      (p.portions ?? 1) > 1 ? `in ${p.portions} portions` : "",
    ]
      .filter((t) => t !== "")
      .join(", "),
  ]);
  const head = ["Phases of a step", "work", "time", "share", small(s.memory) ? "memory" : "GiB", ""];
  const [first, ...rest] = aligned([head, ...rows], [1, 2, 3]);
  return [`  ${paint.dim(first!)}`, ...rest.map((line) => `  ${line}`), ""];
}

/** Rows of cells as lines; columns of these numbers end at the right. */
function aligned(rows: readonly (readonly string[])[], right: readonly number[] = []): string[] {
  const widths = rows[0]!.map((_, c) => Math.max(...rows.map((r) => r[c]!.length)));
  const cell = (text: string, c: number): string =>
    right.includes(c) ? text.padStart(widths[c]!) : text.padEnd(widths[c]!);
  return rows.map((r) => r.map(cell).join("  ").trimEnd());
}

function considered(plan: Plan, s: StagePlan, paint: Paint, options: PlanPageOptions): string[] {
  const chosen = s.pareto.find((p) => p.chosen);
  const rows: string[][] = [["", "instance", "n", "layout", "time", "cost", "peak", ""]];
  const row = (label: string, a: Alternative, flag = ""): string[] => [
    label,
    a.instance,
    String(a.count),
    `${describeLayout(a.parallel)} · mb ${a.parallel.micro_batch}${a.recompute === "none" ? "" : ` · recompute ${a.recompute}`}`,
    formatSeconds(a.total_seconds),
    a.usd === null ? "?" : a.usd === 0 ? "free" : formatUsd(a.usd),
    sizeOf(s.memory)(a.peak_bytes),
    flag,
  ];
  if (chosen !== undefined) rows.push(row("chosen ✔", chosen));
  const top = options.top ?? 2;
  s.alternatives.slice(0, top).forEach((a, i) => {
    rows.push(row(i === 0 ? "next best" : "", a));
  });
  const others = s.pareto.filter((p) => !p.chosen);
  const spread = pickSpread(others, options.top ?? 3);
  spread.forEach((p, i) => {
    rows.push(row(i === 0 ? "time/cost" : "", p, flagsTo(s, p)));
  });
  const text = aligned(rows).map((line) => `  ${line}`);
  const lines = rows.length > 1 ? [paint.dim(text[0]!), ...text.slice(1)] : [];
  const relaxations = plan.relaxations.filter((r) => r.stage === s.name || r.stage === "budget");
  if (relaxations.length > 0) {
    lines.push(`  ${paint.yellow("What would do:")}`);
    for (const r of relaxations)
      lines.push(
        `    ${r.change} → ${r.figures.map((f) => `${f.name} ${f.value}`).join(", ")}${r.flag === undefined ? "" : `    ${paint.bold(r.flag)}`}`,
      );
  }
  const { search } = s;
  lines.push(
    paint.dim(
      `  ${formatNumber(search.considered, 12)} considered · ${formatNumber(search.evaluated, 12)} evaluated · ${formatNumber(search.pruned, 12)} pruned · ${
        search.optimal ? "best under the cost model" : "search stopped early"
      } · ${formatSeconds(search.seconds)}`,
    ),
  );
  return lines;
}

/** What to paste to get this point of the front: every machine setting in which it differs. */
function flagsTo(s: StagePlan, p: Alternative): string {
  const { cluster } = s;
  const differs: readonly (readonly [string, string, string])[] = [
    ["instance", p.instance, cluster.instance],
    ["count", String(p.count), String(cluster.count)],
    ["pricing", p.pricing, s.cost.pricing],
  ];
  return differs
    .filter(([, theirs, ours]) => theirs !== ours)
    .map(([key, value]) => `--set ${cluster.name}.${key}=${value}`)
    .join(" ");
}

/** A few points of a long front, ends included. */
function pickSpread<T>(all: readonly T[], n: number): T[] {
  if (all.length <= n) return [...all];
  return Array.from({ length: n }, (_, i) => all[Math.round((i * (all.length - 1)) / Math.max(1, n - 1))]!);
}

function details(s: StagePlan, paint: Paint): string[] {
  const name = Math.max(...[...s.time.breakdown, ...s.cost.breakdown].map((b) => b.what.length));
  return [
    `  ${paint.bold("Time of a step")}`,
    ...s.time.breakdown.map((b) => `    ${b.what.padEnd(name)} ${formatSeconds(b.seconds)}`),
    `  ${paint.bold("Cost")}`,
    ...s.cost.breakdown.map((b) => `    ${b.what.padEnd(name)} ${formatUsd(b.usd)}`),
    `  ${paint.bold("Pruned")}`,
    ...s.search.reasons.map((r) => `    ${formatNumber(r.count, 12).padStart(12)}  ${r.why}`),
    `  ${paint.bold("Other figures")}`,
    `    reserved ${formatBytes(s.memory.reserved_bytes)} · driver ${formatBytes(s.memory.driver_bytes)} · host ${formatBytes(s.memory.host_bytes)} · disk ${formatBytes(s.memory.disk_bytes)}`,
    `    80% interval from ${s.interval.basis}`,
  ];
}

function footer(plan: Plan, paint: Paint): string {
  const lines = plan.warnings.map((w) => paint.yellow(`warning: ${w}`));
  if (plan.outcome === "ok") {
    const stem = plan.source.replace(/^.*\//, "").replace(/\.llmp$/, "");
    lines.push(`To run exactly this:  llmp plan ${plan.source} -o ${stem}.plan.json && llmp run ${stem}.plan.json`);
  }
  return lines.join("\n");
}
