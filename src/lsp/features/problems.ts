/** Our diagnostics as an editor shows them, and their fixes as quick fixes. */
import {
  type CodeAction,
  CodeActionKind,
  type Diagnostic,
  DiagnosticSeverity,
  type TextEdit,
} from "vscode-languageserver";
import type { Fix, Diagnostic as Ours } from "../../diagnostics/index.js";
import type { Span } from "../../text/index.js";
import type { Findings } from "../analysis.js";
import type { Document } from "../document.js";

const severities = {
  error: DiagnosticSeverity.Error,
  warning: DiagnosticSeverity.Warning,
  info: DiagnosticSeverity.Information,
};

/** All that is known of the file: the check's, and the plan's where it still holds. */
export function known(findings: Findings): readonly Ours[] {
  return findings.planned !== undefined && findings.current
    ? findings.planned.diagnostics
    : findings.checked.diagnostics;
}

export interface Placing {
  /** The document of a span's file, if it can be found. */
  readonly document: (file: string) => Document | undefined;
}

export function problems(document: Document, findings: Findings, placing: Placing): readonly Diagnostic[] {
  return known(findings).flatMap((d) => toLsp(d, document, placing));
}

function toLsp(d: Ours, document: Document, placing: Placing): readonly Diagnostic[] {
  const home = d.primary === undefined ? document : placing.document(d.primary.span.file);
  // A mistake in an imported file is shown there when it is open; here it stands at the top.
  const elsewhere = home?.path !== document.path;
  const span = elsewhere || d.primary === undefined ? { start: 0, end: 0 } : d.primary.span;
  const place = elsewhere && d.primary !== undefined ? `${d.primary.span.file}: ` : "";
  const label = d.primary?.text ?? "";
  return [
    {
      range: document.range(span.start, Math.max(span.end, span.start + 1)),
      severity: severities[d.severity],
      code: d.code,
      source: "llmp",
      message: [`${place}${d.message}${label === "" ? "" : ` (${label})`}`, ...d.hints.map((h) => `= ${h}`)].join("\n"),
      relatedInformation: d.labels.flatMap((l) => {
        const file = placing.document(l.span.file);
        return file === undefined
          ? []
          : [{ location: { uri: file.uri, range: file.range(l.span.start, l.span.end) }, message: l.text }];
      }),
    },
  ];
}

/** Fixes of what stands in the range; only while the text is the one that was checked. */
export function quickFixes(
  document: Document,
  from: number,
  to: number,
  findings: Findings | undefined,
  placing: Placing,
): readonly CodeAction[] {
  if (findings === undefined || findings.version !== document.version) return [];
  const here = (s: Span): boolean => placing.document(s.file)?.path === document.path;
  const all = known(findings).filter((d) => d.fixes.length > 0 && d.primary !== undefined && here(d.primary.span));
  const actions: CodeAction[] = [];
  for (const d of all) {
    const { span } = d.primary as { span: Span };
    if (span.start > to || span.end < from) continue;
    const diagnostics = [...toLsp(d, document, placing)];
    for (const fix of d.fixes)
      actions.push({
        title: fix.title,
        kind: CodeActionKind.QuickFix,
        diagnostics,
        isPreferred: fix.safe || d.fixes.length === 1,
        edit: { changes: changes([fix], document, placing) },
      });
  }
  const safe = all.flatMap((d) => d.fixes.filter((f) => f.safe).slice(0, 1));
  if (safe.length > 0)
    actions.push({
      title: `Apply all safe fixes (${safe.length})`,
      kind: `${CodeActionKind.SourceFixAll}.llmp`,
      edit: { changes: changes(withoutOverlaps(safe), document, placing) },
    });
  return actions;
}

function changes(fixes: readonly Fix[], document: Document, placing: Placing): Record<string, TextEdit[]> {
  const out: Record<string, TextEdit[]> = {};
  for (const { span, text } of fixes.flatMap((f) => f.edits)) {
    const file = placing.document(span.file) ?? document;
    const edits = out[file.uri] ?? [];
    edits.push({ range: file.range(span.start, span.end), newText: text });
    out[file.uri] = edits;
  }
  return out;
}

function withoutOverlaps(fixes: readonly Fix[]): readonly Fix[] {
  const taken: Span[] = [];
  return fixes.filter((fix) => {
    if (
      fix.edits.some(({ span }) => taken.some((t) => t.file === span.file && span.start < t.end && t.start < span.end))
    )
      return false;
    taken.push(...fix.edits.map((e) => e.span));
    return true;
  });
}
