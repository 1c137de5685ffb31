/** `llmp plan --html`: one self-contained page, no network, complete without scripts. */
import type { Plan, StagePlan } from "../../planner/plan.js";
import { formatSeconds, formatUsd } from "../../units/index.js";
import { type Chart, loadChart } from "../svg/plot.js";
import { decisionsSection } from "./sections/decisions.js";
import { intervalSection } from "./sections/interval.js";
import { layoutSection } from "./sections/layout.js";
import { memorySection } from "./sections/memory.js";
import { searchSection } from "./sections/pareto.js";
import { timeSection } from "./sections/time.js";
import { planVerdict, stageVerdict } from "./sections/verdict.js";
import { script, style } from "./style.js";
import { type Html, html, raw } from "./text.js";

/** Prices are only as good as their date: the page says which. */
const price = (stage: StagePlan): Html =>
  html`<p class="dim">Price: ${stage.cost.price_source}${stage.cost.price_date === "" ? "" : ` (${stage.cost.price_date})`}${stage.cost.usd_per_hour === null ? "" : `, ${formatUsd(stage.cost.usd_per_hour)} per hour`}. ${stage.cost.breakdown
    .map((b) => `${b.what} ${formatUsd(b.usd)}`)
    .join(" · ")}</p>`;

function stageSection(stage: StagePlan, index: number, chart: Chart): Html {
  return html`<section aria-labelledby="s${index}"><h2 id="s${index}">train ${stage.name}</h2>${stageVerdict(stage)}${price(stage)}${memorySection(stage, chart)}${timeSection(stage, chart)}${intervalSection(stage, chart)}${searchSection(stage, chart)}${layoutSection(
    stage,
  )}${decisionsSection(stage)}</section>`;
}

/** The hatching of idle time; charts refer to it by its id. */
const bubble = `<svg width="0" height="0" aria-hidden="true" style="position:absolute"><defs><pattern id="bubble" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path d="M0 0V6" stroke="var(--line)" stroke-width="3"/></pattern></defs></svg>`;

export interface HtmlOptions {
  /** Runs at the end of the body: the studio's live reload. */
  readonly script?: string;
  /** A nonce for the page's own scripts and styles under a content security policy. */
  readonly nonce?: string;
  /** Above the plan: what the studio is doing. */
  readonly status?: string;
  /** Diagnostics as text, above the plan. */
  readonly problems?: string;
  /** The plan is of an earlier text. */
  readonly stale?: boolean;
}

export async function renderHtml(plan: Plan, options: HtmlOptions = {}): Promise<string> {
  const chart = await loadChart();
  const nav =
    plan.stages.length > 1
      ? html`<nav aria-label="Stages">${plan.stages.map((s, i) => html`<a href="#s${i}">${s.name}</a>`)}</nav>`
      : raw("");
  const body = html`${planVerdict(plan)}<p>In all ${formatSeconds(plan.totals.seconds)}${plan.totals.usd === null ? "" : ` and ${formatUsd(plan.totals.usd)}`} · <span class="dim">plan ${plan.hash.slice(
    0,
    12,
  )}</span></p>${nav}${plan.stages.map((s, i) => stageSection(s, i, chart))}`;
  return renderPage(plan.source, body, options);
}

/** A page without a plan: the file has errors, or nothing is known yet. */
export const renderNothing = (source: string, options: HtmlOptions = {}): string =>
  renderPage(source, raw(""), options);

function renderPage(source: string, body: Html, options: HtmlOptions): string {
  const nonce = options.nonce === undefined ? raw("") : html` nonce="${options.nonce}"`;
  const status =
    options.status === undefined ? raw("") : html`<p class="live" role="status" id="status">${options.status}</p>`;
  const problems =
    options.problems === undefined
      ? raw("")
      : html`<section aria-labelledby="problems"><h2 id="problems">Problems</h2><pre tabindex="0" role="region" aria-label="Problems">${options.problems}</pre></section>`;
  const own = options.script === undefined ? raw("") : html`<script${nonce}>${raw(options.script)}</script>`;
  const page = html`<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${source} · llmp plan</title><style${nonce}>${raw(
    style,
  )}</style></head><body>${raw(bubble)}<main>${status}<h1>${source}</h1>${problems}<div${raw(options.stale === true ? ' class="stale"' : "")}>${body}</div></main><script${nonce}>${raw(script)}</script>${own}</body></html>`;
  return page.html;
}
