import type { Span } from "../text/index.js";

export type Severity = "error" | "warning" | "info";

/** A place and what to say there. The first label of a diagnostic is where it is shown. */
export interface Label {
  readonly span: Span;
  readonly text: string;
}

export interface TextEdit {
  readonly span: Span;
  readonly text: string;
}

/** An edit that an editor may apply. `safe`: keeps the file's meaning but for the mistake. */
export interface Fix {
  readonly title: string;
  readonly edits: readonly TextEdit[];
  readonly safe: boolean;
}

/** What is wrong, where, why, and what to do. Plain data: renderers turn it into terminal text, JSON or LSP. */
export interface Diagnostic {
  /** `LLMP1204`; never reused. */
  readonly code: string;
  readonly severity: Severity;
  /** One line, at most about 100 characters, in the user's words. */
  readonly message: string;
  /** Absent for diagnostics without a place (environment, command line). */
  readonly primary?: Label;
  /** Related places. */
  readonly labels: readonly Label[];
  /** "did you mean …", reasons, numbers. */
  readonly hints: readonly string[];
  readonly fixes: readonly Fix[];
}

/** What every stage returns. A user's mistake is never thrown. */
export interface Outcome<T> {
  readonly value?: T;
  readonly diagnostics: readonly Diagnostic[];
}

export const hasErrors = (diagnostics: readonly Diagnostic[]): boolean =>
  diagnostics.some((d) => d.severity === "error");
