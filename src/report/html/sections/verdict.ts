import type { Plan, StagePlan } from "../../../planner/plan.js";
import {
  formatBytes,
  formatCount,
  formatNumber,
  formatPercent,
  formatSeconds,
  formatUsd,
} from "../../../units/index.js";
import { type Html, html } from "../text.js";

const card = (label: string, figure: string, note: string): Html =>
  html`<div class="card"><span>${label}</span><b>${figure}</b><span>${note}</span></div>`;

const failures: Readonly<Record<Exclude<Plan["outcome"], "ok">, string>> = {
  errors: "The file has errors",
  infeasible: "Does not fit",
  over_budget: "Over budget",
};

/** "Within budget" is only said of a budget that could be checked. */
function fits(plan: Plan): string {
  const { cost, time } = plan.pipeline.budget;
  if (cost !== undefined && plan.totals.usd === null) return "Fits; the cost budget cannot be checked: price unknown";
  return cost === undefined && time === undefined ? "Fits" : "Fits, within budget";
}

/** The one line that answers, and what would mend a "no". */
export function planVerdict(plan: Plan): Html {
  const good = plan.outcome === "ok";
  return html`<p class="${good ? "good" : "bad"}"><strong>${good ? "✓" : "✗"} ${plan.outcome === "ok" ? fits(plan) : failures[plan.outcome]}</strong></p>${plan.relaxations.map(
    (r) =>
      html`<p>${r.stage}: ${r.change} ${r.flag === undefined ? "" : html`<code>${r.flag}</code>`} <span class="dim">${r.figures.map((f) => `${f.name} ${f.value}`).join(" · ")}</span></p>`,
  )}${plan.warnings.map((w) => html`<p class="dim">⚠ ${w}</p>`)}`;
}

export function stageVerdict(stage: StagePlan): Html {
  const { memory, time, cost, interval, parallel: p } = stage;
  const range = (r: readonly [number, number] | null, show: (n: number) => string): string =>
    r === null ? "" : `${show(r[0])} – ${show(r[1])}`;
  return html`<p class="dim">${stage.model.name} (${formatCount(stage.model.parameters)} parameters${
    stage.model.active_parameters === stage.model.parameters
      ? ""
      : `, ${formatCount(stage.model.active_parameters)} active`
  }) · ${stage.objective} · ${formatCount(stage.tokens)} tokens in ${formatCount(stage.steps)} steps · engine ${stage.engine} · ${stage.precision}</p>
<div class="cards">${card("Peak memory per device", formatBytes(memory.peak_bytes), `of ${formatBytes(memory.capacity_bytes)} · ${range(interval.peak_bytes, formatBytes)}`)}${card(
    "Calendar time",
    formatSeconds(time.total_seconds),
    range(interval.total_seconds, formatSeconds),
  )}${card("Cost", cost.usd === null ? "price unknown" : formatUsd(cost.usd), cost.usd === null ? cost.price_source : `${range(interval.usd, formatUsd)} · ${cost.pricing}`)}${card(
    "Speed",
    `${formatNumber(time.tokens_per_second_per_device)} tok/s/device`,
    `step ${formatSeconds(time.step_seconds)} · MFU ${formatPercent(time.mfu)}`,
  )}</div>
<p>${stage.cluster.count} × <code>${stage.cluster.instance}</code> (${stage.cluster.accelerators} × ${stage.cluster.accelerator}) · tensor ${p.tensor}${p.sequence ? " + sequence" : ""} · pipeline ${p.pipeline}${
    p.virtual > 1 ? ` × ${p.virtual} virtual` : ""
  } · context ${p.context} · expert ${p.expert} · data ${p.data} (${p.shard}) · micro-batch ${p.micro_batch} × ${p.accumulation} accumulated · recompute ${stage.recompute.summary}${
    stage.offload === "none" ? "" : ` · offload ${stage.offload}`
  }</p>
<p class="dim">80% interval from ${interval.basis}.</p>`;
}
