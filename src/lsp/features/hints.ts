/** What the planner decided, shown where the file leaves it open; and the lens above each stage. */
import { type CodeLens, type InlayHint, InlayHintKind, type MarkupContent } from "vscode-languageserver";
import type { Expr } from "../../parser/ast.js";
import type { DecisionRecord } from "../../planner/plan.js";
import type { Findings } from "../analysis.js";
import type { Document } from "../document.js";
import type { Owner } from "../sites.js";
import type { StageSummary } from "../types.js";
import { layoutWords, lensTitle } from "./plan-words.js";

/** Command of the lens: opens the plan as a page. */
export const reportCommand = "llmp.report";

const isOpen = (expr: Expr): boolean =>
  expr.kind === "choice" ||
  expr.kind === "range" ||
  (expr.kind === "name" && expr.text === "auto") ||
  (expr.kind === "paren" && isOpen(expr.inner));

export function inlayHints(
  document: Document,
  from: number,
  to: number,
  findings: Findings | undefined,
): readonly InlayHint[] {
  const plan = findings?.planned?.plan;
  if (plan === undefined) return [];
  const stale = findings?.current === true ? "" : "… ";
  const out: InlayHint[] = [];
  for (const { chunk, start } of document.placed) {
    if (start > to || start + chunk.text.length < from) continue;
    for (const site of chunk.sites) {
      const { meaning, owner } = site;
      if (meaning.kind !== "key" || owner === undefined || !isOpen(meaning.value)) continue;
      const stages = plan.stages.filter((s) =>
        owner.kind === "train" ? s.name === owner.name : owner.kind === "cluster" && s.cluster.name === owner.name,
      );
      const said = stages.map((s) => wordsOf(owner, s)).filter((w) => w !== undefined);
      const texts = [...new Set(said.map((w) => w.text))];
      if (texts.length === 0) continue;
      const why = [...new Set(said.flatMap((w) => w.why.map((d) => `- \`${d.what}\` **${d.chose}**: ${d.because}`)))];
      const tooltip: MarkupContent = { kind: "markdown", value: why.join("\n") };
      out.push({
        position: document.position(start + meaning.value.span.end),
        label: `${stale}→ ${texts.join(", ")}`,
        kind: InlayHintKind.Type,
        paddingLeft: true,
        tooltip,
      });
    }
  }
  return out;
}

function wordsOf(
  owner: Owner,
  stage: StageSummary,
): { readonly text: string; readonly why: readonly DecisionRecord[] } | undefined {
  const key = owner.path.join(".");
  const what = owner.kind === "cluster" ? `cluster.${key}` : key;
  if (what === "parallel") {
    const why = stage.decisions.filter((d) => d.what.startsWith("parallel.") && !d.fixed);
    return { text: `${layoutWords(stage)} · recompute ${stage.recompute}`, why };
  }
  const decision = stage.decisions.find((d) => d.what === what);
  if (decision !== undefined) return { text: decision.chose, why: [decision] };
  // Axes that the planner settles without a record of their own.
  const [first, axis] = owner.path;
  const value =
    first === "parallel" && axis !== undefined
      ? (stage.parallel as unknown as Record<string, unknown>)[axis]
      : undefined;
  return value === undefined ? undefined : { text: String(value), why: [] };
}

export function lenses(document: Document, findings: Findings | undefined): readonly CodeLens[] {
  const out: CodeLens[] = [];
  for (const { item, base } of document.items()) {
    if (item.kind !== "block" || item.keyword.text !== "train" || item.name === undefined) continue;
    const name = item.name.text;
    const plan = findings?.planned?.plan;
    const stage = plan?.stages.find((s) => s.name === name);
    const failed = findings?.planned !== undefined && findings.current && plan === undefined;
    const title =
      stage !== undefined
        ? `${findings?.current === true ? "" : "… "}${lensTitle(stage)}${plan?.outcome === "over_budget" ? " · over budget" : ""} · Plan`
        : failed
          ? "no plan: see the problems"
          : findings?.checked.meaning === undefined && findings !== undefined
            ? "plan: after the errors are mended"
            : "planning…";
    out.push({
      range: document.range(base + item.keyword.span.start, base + item.name.span.end),
      command: { title, command: reportCommand, arguments: [document.uri, name] },
    });
  }
  return out;
}
