import type { DecisionRecord, StagePlan } from "../../../planner/plan.js";
import { type Html, html, raw } from "../text.js";

/** More others than this stand behind a disclosure. */
const shown = 6;

function others(d: DecisionRecord): Html {
  if (d.over.length <= shown && d.figures.length <= 2)
    return html`${d.over.join(", ")}${d.figures.map((f) => html`<br><span class="dim">${f.name}: ${f.value}</span>`)}`;
  const first = d.over.slice(0, shown).join(", ");
  const figures =
    d.figures.length === 0
      ? html`<p>${d.over.join(", ")}</p>`
      : html`<dl>${d.figures.map((f) => html`<dt>${f.name}</dt><dd>${f.value}</dd>`)}</dl>`;
  return html`${first}${d.over.length > shown ? "…" : ""}<details><summary>what each would do<span class="sr"> (${d.what})</span></summary>${figures}</details>`;
}

export function decisionsSection(stage: StagePlan): Html {
  const row = (d: DecisionRecord): Html =>
    html`<tr><th scope="row">${d.what}</th><td><strong>${d.chose}</strong></td><td>${d.because}</td><td>${others(d)}</td></tr>`;
  const table = (caption: string, list: readonly DecisionRecord[]): Html =>
    list.length === 0
      ? raw("")
      : html`<div class="scroll" tabindex="0" role="region" aria-label="${caption}"><table class="decisions"><caption>${caption}</caption><thead><tr><th scope="col">what</th><th scope="col">chose</th><th scope="col">because</th><th scope="col">over</th></tr></thead><tbody>${list.map(row)}</tbody></table></div>`;
  return html`<h3>Decisions</h3>${table(
    "What the planner decided, and why",
    stage.decisions.filter((d) => !d.fixed),
  )}${table(
    "What was fixed",
    stage.decisions.filter((d) => d.fixed),
  )}`;
}
