/** Diagnostics as people, scripts and code review read them. */
import type { Diagnostic, Severity } from "../../diagnostics/index.js";
import { LineMap, type SourceFile, type Span } from "../../text/index.js";
import { type Paint, painter } from "./colour.js";

export interface DiagnosticsOptions {
  readonly format?: "pretty" | "short" | "json" | "github";
  readonly color?: boolean;
  /** After this many of one code, the rest are counted (pretty only). */
  readonly perCode?: number;
}

/** Sources by path; a place in a file that is not here is shown without its line. */
export type Sources = ReadonlyMap<string, SourceFile> | readonly SourceFile[];

class Places {
  readonly #maps = new Map<string, LineMap>();
  readonly #sources: ReadonlyMap<string, SourceFile>;

  constructor(sources: Sources) {
    this.#sources = Array.isArray(sources)
      ? new Map(sources.map((s) => [s.path, s]))
      : (sources as ReadonlyMap<string, SourceFile>);
  }

  map(file: string): LineMap | undefined {
    const known = this.#maps.get(file);
    if (known !== undefined) return known;
    const source = this.#sources.get(file);
    if (source === undefined) return undefined;
    const map = new LineMap(source.text);
    this.#maps.set(file, map);
    return map;
  }
}

export function renderDiagnostics(
  diagnostics: readonly Diagnostic[],
  sources: Sources,
  options: DiagnosticsOptions = {},
): string {
  const places = new Places(sources);
  switch (options.format ?? "pretty") {
    case "json":
      return `${JSON.stringify(diagnosticsJson(diagnostics, sources), undefined, 2)}\n`;
    case "short":
      return diagnostics.map((d) => `${short(d, places)}\n`).join("");
    case "github":
      return diagnostics.map((d) => `${github(d, places)}\n`).join("");
    default:
      return pretty(diagnostics, places, options);
  }
}

/** The contract of `check --json`: lines and columns from 1, offsets from 0. */
export function diagnosticsJson(diagnostics: readonly Diagnostic[], sources: Sources): readonly object[] {
  const places = new Places(sources);
  const at = (file: string, offset: number): object =>
    places.map(file)?.position(offset) ?? { line: 1, column: 1, offset };
  const range = (span: Span): object => ({
    file: span.file,
    start: at(span.file, span.start),
    end: at(span.file, span.end),
  });
  return diagnostics.map((d) => ({
    code: d.code,
    severity: d.severity,
    message: d.message,
    ...(d.primary === undefined ? { file: null, start: null, end: null } : range(d.primary.span)),
    hints: d.hints,
    fixes: d.fixes.map((f) => ({
      title: f.title,
      safe: f.safe,
      edits: f.edits.map((e) => ({ ...range(e.span), text: e.text })),
    })),
    labels: d.labels.map((l) => ({ ...range(l.span), text: l.text })),
  }));
}

function where(d: Diagnostic, places: Places): string {
  if (d.primary === undefined) return "";
  const { file, start } = d.primary.span;
  const position = places.map(file)?.position(start);
  return position === undefined ? file : `${file}:${position.line}:${position.column}`;
}

function short(d: Diagnostic, places: Places): string {
  const place = where(d, places);
  return `${place === "" ? "" : `${place}: `}${d.severity}[${d.code}]: ${d.message}`;
}

function github(d: Diagnostic, places: Places): string {
  const level = { error: "error", warning: "warning", info: "notice" }[d.severity];
  const data = (s: string): string => s.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
  const property = (s: string): string => data(s).replaceAll(":", "%3A").replaceAll(",", "%2C");
  const parts = [`title=${property(d.code)}`];
  if (d.primary !== undefined) {
    const { file, start, end } = d.primary.span;
    parts.unshift(`file=${property(file)}`);
    const map = places.map(file);
    if (map !== undefined) {
      const [a, b] = [map.position(start), map.position(end)];
      parts.splice(1, 0, `line=${a.line}`, `endLine=${b.line}`, `col=${a.column}`);
    }
  }
  return `::${level} ${parts.join(",")}::${data([d.message, ...d.hints].join("\n"))}`;
}

function pretty(diagnostics: readonly Diagnostic[], places: Places, options: DiagnosticsOptions): string {
  const paint = painter(options.color ?? false);
  const perCode = options.perCode ?? 5;
  const counts = new Map<string, number>();
  const blocks: string[] = [];
  for (const d of diagnostics) {
    const n = (counts.get(d.code) ?? 0) + 1;
    counts.set(d.code, n);
    if (n <= perCode) blocks.push(frame(d, places, paint));
  }
  for (const [code, n] of counts)
    if (n > perCode) blocks.push(`${paint.dim(`… and ${n - perCode} more of ${code}`)}\n`);
  const total = summary(diagnostics);
  return blocks.length === 0 ? "" : `${blocks.join("\n")}${total === "" ? "" : `\n${total}\n`}`;
}

export function summary(diagnostics: readonly Diagnostic[]): string {
  const count = (severity: Severity, word: string): string[] => {
    const n = diagnostics.filter((d) => d.severity === severity).length;
    return n === 0 ? [] : [`${n} ${word}${n === 1 ? "" : "s"}`];
  };
  return [...count("error", "error"), ...count("warning", "warning"), ...count("info", "note")].join(", ");
}

interface Mark {
  readonly span: Span;
  readonly text: string;
  readonly primary: boolean;
}

function frame(d: Diagnostic, places: Places, paint: Paint): string {
  const hue = { error: paint.red, warning: paint.yellow, info: paint.cyan }[d.severity];
  const lines = [`${hue(paint.bold(`${d.severity}[${d.code}]`))}${paint.bold(`: ${d.message}`)}`];
  const marks: Mark[] = [
    ...(d.primary === undefined ? [] : [{ span: d.primary.span, text: d.primary.text, primary: true }]),
    ...d.labels.map((l) => ({ span: l.span, text: l.text, primary: false })),
  ];
  const shown = marks.filter((m) => places.map(m.span.file) !== undefined);
  const lineOf = (m: Mark): number => (places.map(m.span.file) as LineMap).position(m.span.start).line;
  const gutter = Math.max(2, ...shown.map((m) => String(lineOf(m)).length));
  const bar = (text: string): string => paint.blue(text);
  const pad = " ".repeat(gutter);
  let file = "";
  shown.forEach((mark, i) => {
    if (mark.span.file !== file) {
      file = mark.span.file;
      const p = (places.map(file) as LineMap).position(mark.span.start);
      lines.push(`${pad} ${bar(i === 0 ? "┌─" : "├─")} ${file}:${p.line}:${p.column}`);
    } else lines.push(`${pad} ${bar("·")}`);
    lines.push(...excerpt(mark, places.map(file) as LineMap, gutter, mark.primary ? hue : paint.cyan, bar));
  });
  if (shown.length === 0 && d.primary !== undefined) lines.push(`${pad} ${bar("┌─")} ${d.primary.span.file}`);
  for (const hint of d.hints) lines.push(`${pad} ${bar("=")} ${hint}`);
  for (const fix of d.fixes) lines.push(`${pad} ${paint.green("fix:")} ${fix.title}`);
  lines.push(`${pad} ${paint.dim(`llmp explain ${d.code}`)}`);
  return `${lines.join("\n")}\n`;
}

const maxWidth = 160;

function excerpt(
  mark: Mark,
  map: LineMap,
  gutter: number,
  hue: (s: string) => string,
  bar: (s: string) => string,
): string[] {
  const start = map.position(mark.span.start);
  const end = map.position(mark.span.end);
  const full = map.line(start.line);
  const last = end.line === start.line ? end.column : full.length + 1;
  // A very long line is cut around the place.
  const from = start.column - 1 > maxWidth - 40 ? start.column - 1 - 40 : 0;
  const text = clean(full.slice(from, from + maxWidth));
  const before = clean(full.slice(from, start.column - 1));
  const under = clean(full.slice(start.column - 1, Math.min(last - 1, from + maxWidth)));
  const width = Math.max(1, columns(under));
  const caret = (mark.primary ? "^" : "-").repeat(width);
  const label = mark.text === "" ? "" : ` ${mark.text}`;
  const number = String(start.line).padStart(gutter);
  return [
    `${bar(`${number} │`)} ${from > 0 ? "…" : ""}${text}`,
    `${" ".repeat(gutter)} ${bar("│")} ${" ".repeat(columns(before) + (from > 0 ? 1 : 0))}${hue(caret + label)}`,
  ];
}

/** Tabs and control characters as they can be counted. */
const clean = (text: string): string =>
  [...text.replaceAll("\t", "    ")]
    .map((c) => (c < " " || c === "\u007f" || (c >= "\u0080" && c < "\u00a0") ? "·" : c))
    .join("");

/** Terminal columns, near enough without a table of the whole of Unicode: East Asian wide and emoji take two. */
function columns(text: string): number {
  let n = 0;
  for (const c of text) {
    const p = c.codePointAt(0) ?? 0;
    const zero = (p >= 0x300 && p <= 0x36f) || p === 0x200b || p === 0x200d || (p >= 0xfe00 && p <= 0xfe0f);
    const wide =
      (p >= 0x1100 && p <= 0x115f) ||
      (p >= 0x2e80 && p <= 0xa4cf) ||
      (p >= 0xac00 && p <= 0xd7a3) ||
      (p >= 0xf900 && p <= 0xfaff) ||
      (p >= 0xfe30 && p <= 0xfe6f) ||
      (p >= 0xff00 && p <= 0xff60) ||
      (p >= 0x1f300 && p <= 0x1faff);
    n += zero ? 0 : wide ? 2 : 1;
  }
  return n;
}
