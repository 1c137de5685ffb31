import type { StagePlan } from "../../../planner/plan.js";
import { type Html, html } from "../text.js";

export function decisionsSection(stage: StagePlan): Html {
  return html`<h3>Decisions</h3><div class="scroll"><table><caption>What was decided, and why</caption><thead><tr><th scope="col">what</th><th scope="col">chose</th><th scope="col">over</th><th scope="col">because</th></tr></thead><tbody>${stage.decisions.map(
    (d) =>
      html`<tr><th scope="row">${d.what}${d.fixed ? " (fixed in the file)" : ""}</th><td>${d.chose}</td><td>${d.over.join(", ")}</td><td>${d.because}${d.figures.map((f) => html`<br><span class="dim">${f.name}: ${f.value}</span>`)}</td></tr>`,
  )}</tbody></table></div>`;
}
