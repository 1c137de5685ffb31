/**
 * The one layout of a file: two spaces a level, `=` aligned in runs of one-line entries, blank lines kept (one at most),
 * comments where they were. What was on one line stays on one line where it fits.
 */
import type { SourceFile } from "../text/index.js";
import type { Ast, Body, Comment, Entry, Expr, Item } from "./ast.js";

const width = 100;

export function format(file: SourceFile, ast: Ast): string {
  return new Printer(file.text, ast.comments).file(ast);
}

/** One printed line, before `=` and comments are aligned. */
interface Line {
  readonly depth: number;
  /** Up to the sign between key and value; absent where there is nothing to align. */
  readonly head?: string;
  readonly rest: string;
  comment?: string;
  /** A blank line stands before it. */
  gap: boolean;
  /** A whole entry on one line: what may take part in a run. */
  readonly single: boolean;
  /** Only lines of one sort are aligned with each other. */
  readonly sort?: string;
}

class Printer {
  readonly #lines: Line[] = [];
  #next = 0;
  /** Where the last thing that was printed ended in the source. */
  #at = 0;

  constructor(
    readonly text: string,
    readonly comments: readonly Comment[],
  ) {}

  file(ast: Ast): string {
    let tallBefore = false;
    ast.items.forEach((item, i) => {
      this.#before(item.span.start, 0, i === 0);
      const at = this.#lines.length;
      const noted = this.#lines.at(-1)?.rest.startsWith("#") === true;
      this.#item(item, at > 0 && this.#gap(item.span.start));
      // Blocks of several lines stand apart, a comment directly above being part of its block.
      const tall = this.#lines.length > at + 1;
      const first = this.#lines[at] as Line;
      if (i > 0 && (tall || tallBefore) && !noted) first.gap = true;
      tallBefore = tall;
      this.#after(item.span.end);
    });
    this.#before(this.text.length, 0, ast.items.length === 0);
    const out = align(this.#lines);
    return out === "" ? "" : `${out}\n`;
  }

  /** Comments on lines of their own before `offset`. */
  #before(offset: number, depth: number, first: boolean): void {
    let opening = first;
    while (this.#next < this.comments.length) {
      const comment = this.comments[this.#next] as Comment;
      if (comment.span.start >= offset) return;
      this.#next++;
      this.#lines.push({ depth, rest: comment.text, gap: !opening && this.#gap(comment.span.start), single: false });
      opening = false;
      this.#at = comment.span.end;
    }
  }

  /** A comment behind `end` on the same line belongs to the line just printed. */
  #after(end: number): void {
    this.#at = Math.max(this.#at, end);
    const comment = this.comments[this.#next];
    if (comment === undefined || comment.ownLine) return;
    if (/[\r\n]/.test(this.text.slice(end, comment.span.start))) return;
    if (comment.span.start < end) return;
    // Only where nothing but a separator is between; else it belongs to what comes after.
    if (/[^\s,;]/.test(this.text.slice(end, comment.span.start))) return;
    this.#next++;
    (this.#lines.at(-1) as Line).comment = comment.text;
    this.#at = comment.span.end;
  }

  #gap(offset: number): boolean {
    return /\n[ \t]*\r?\n/.test(this.text.slice(this.#at, offset));
  }

  #hasComment(start: number, end: number): boolean {
    for (let i = this.#next; i < this.comments.length; i++) {
      const at = (this.comments[i] as Comment).span.start;
      if (at >= end) return false;
      if (at >= start) return true;
    }
    return false;
  }

  #item(item: Item, gap: boolean): void {
    switch (item.kind) {
      case "import":
        this.#lines.push({ depth: 0, rest: `import ${this.#source(item.path)}`, gap, single: false });
        return;
      case "param": {
        const head = `param ${item.name.text}${item.type === undefined ? "" : `: ${item.type.text}`}`;
        if (item.value === undefined) this.#lines.push({ depth: 0, rest: head, gap, single: false });
        else this.#value(0, head, "=", item.value, gap, "param");
        return;
      }
      case "let":
        this.#value(0, `let ${item.name.text}`, "=", item.value, gap, "let");
        return;
      case "block": {
        const name = item.name === undefined ? "" : ` ${item.name.text}`;
        const parent = item.parent === undefined ? "" : `: ${item.parent.text}`;
        const from = item.from === undefined ? "" : ` from ${item.from.text}`;
        const head = `${item.keyword.text}${name}${parent}${from}`;
        const inline = this.#inline(item.body);
        if (inline !== undefined && head.length + 1 + inline.length <= width)
          this.#lines.push({ depth: 0, head, rest: inline, gap, single: true, sort: item.keyword.text });
        else this.#open(0, `${head} `, item.body, gap);
      }
    }
  }

  /** `prefix{ … }` on one line where the source had it so and it fits, else over several. */
  #open(depth: number, prefix: string, body: Body, gap: boolean, head?: string): void {
    const inline = this.#inline(body);
    const length = depth * 2 + (head === undefined ? 0 : head.length + 1) + prefix.length;
    if (inline !== undefined && length + inline.length <= width) {
      this.#lines.push({
        depth,
        ...(head === undefined ? {} : { head }),
        rest: prefix + inline,
        gap,
        single: head !== undefined,
      });
      return;
    }
    this.#lines.push({ depth, ...(head === undefined ? {} : { head }), rest: `${prefix}{`, gap, single: false });
    this.#after(body.span.start + 1);
    body.entries.forEach((entry, i) => {
      this.#before(entry.span.start, depth + 1, i === 0 && this.#opened());
      this.#entry(depth + 1, entry, !this.#opened() && this.#gap(entry.span.start));
      this.#after(entry.span.end);
    });
    this.#before(body.span.end - 1, depth + 1, this.#opened());
    this.#lines.push({ depth, rest: "}", gap: false, single: false });
    this.#at = Math.max(this.#at, body.span.end);
  }

  #opened(): boolean {
    const last = this.#lines.at(-1);
    return last === undefined || last.rest.endsWith("{") || last.rest.endsWith("[");
  }

  #entry(depth: number, entry: Entry, gap: boolean): void {
    if (entry.kind === "pair") this.#value(depth, entry.key.text, entry.operator, entry.value, gap);
    else this.#open(depth, `from ${this.#flat(entry.at)} `, entry.body, gap);
  }

  #value(depth: number, key: string, operator: string, value: Expr, gap: boolean, sort?: string): void {
    const { start, end } = value.span;
    if (value.kind === "record" || value.kind === "variant") {
      const prefix = `${operator} ${value.kind === "variant" ? `${value.name.text} ` : ""}`;
      this.#open(depth, prefix, value.body, gap, key);
      return;
    }
    const flat = this.#hasComment(start, end) || this.#tallInside(value) ? undefined : this.#flat(value);
    const fits = flat !== undefined && depth * 2 + key.length + 3 + flat.length <= width;
    if (value.kind === "list" && !fits && value.items.length > 0) {
      this.#lines.push({ depth, head: key, rest: `${operator} [`, gap, single: false });
      this.#after(start + 1);
      this.#items(depth, value.items, end);
      return;
    }
    if (flat === undefined && this.#hasComment(start, end) && value.kind !== "list") {
      // Comments inside an expression over several lines come to stand before it.
      this.#before(end, depth, true);
    }
    this.#lines.push({
      depth,
      head: key,
      rest: `${operator} ${flat ?? this.#flat(value)}`,
      gap,
      single: true,
      ...(sort === undefined ? {} : { sort }),
    });
  }

  #items(depth: number, items: readonly Expr[], end: number): void {
    for (const item of items) {
      this.#before(item.span.start, depth + 1, this.#opened());
      const gap = !this.#opened() && this.#gap(item.span.start);
      if (
        item.kind === "list" &&
        item.items.length > 0 &&
        (this.#hasComment(item.span.start, item.span.end) || this.#flat(item).length > width - depth * 2 - 4)
      ) {
        this.#lines.push({ depth: depth + 1, rest: "[", gap, single: false });
        this.#after(item.span.start + 1);
        this.#items(depth + 1, item.items, item.span.end);
        const last = this.#lines.at(-1) as Line;
        this.#lines[this.#lines.length - 1] = { ...last, rest: `${last.rest},` };
      } else if ((item.kind === "record" || item.kind === "variant") && this.#inline(item.body) === undefined) {
        this.#open(depth + 1, item.kind === "variant" ? `${item.name.text} ` : "", item.body, gap);
        const last = this.#lines.at(-1) as Line;
        this.#lines[this.#lines.length - 1] = { ...last, rest: `${last.rest},` };
      } else {
        this.#before(item.span.end, depth + 1, this.#opened());
        this.#lines.push({ depth: depth + 1, rest: `${this.#flat(item)},`, gap, single: false });
      }
      this.#after(item.span.end);
    }
    this.#before(end - 1, depth + 1, this.#opened());
    this.#lines.push({ depth, rest: "]", gap: false, single: false });
    this.#at = Math.max(this.#at, end);
  }

  /** Whether a body somewhere inside was written over several lines. */
  #tallInside(expr: Expr): boolean {
    switch (expr.kind) {
      case "list":
        return expr.items.some((i) => this.#tallInside(i));
      case "record":
      case "variant":
        return this.#inline(expr.body) === undefined;
      default:
        return false;
    }
  }

  /** `{ a = 1, b = 2 }`, where the source has it on one line and no comment is inside. */
  #inline(body: Body): string | undefined {
    if (body.entries.length === 0) return this.#hasComment(body.span.start, body.span.end) ? undefined : "{}";
    if (this.#hasComment(body.span.start, body.span.end)) return undefined;
    const first = body.entries[0] as Entry;
    if (/[\r\n]/.test(this.text.slice(body.span.start, first.span.start))) return undefined;
    const parts: string[] = [];
    for (const entry of body.entries) {
      if (entry.kind === "pair") {
        if (this.#tallInside(entry.value)) return undefined;
        parts.push(`${entry.key.text} ${entry.operator} ${this.#flat(entry.value)}`);
      } else {
        const inner = this.#inline(entry.body);
        if (inner === undefined) return undefined;
        parts.push(`from ${this.#flat(entry.at)} ${inner}`);
      }
    }
    const line = `{ ${parts.join(", ")} }`;
    return line.length > width ? undefined : line;
  }

  #flatBody(body: Body): string {
    if (body.entries.length === 0) return "{}";
    const parts = body.entries.map((entry) =>
      entry.kind === "pair"
        ? `${entry.key.text} ${entry.operator} ${this.#flat(entry.value)}`
        : `from ${this.#flat(entry.at)} ${this.#flatBody(entry.body)}`,
    );
    return `{ ${parts.join(", ")} }`;
  }

  #flat(expr: Expr): string {
    switch (expr.kind) {
      case "number": {
        const unit = expr.unit === undefined ? "" : ` ${expr.unit.text}`;
        return `${expr.currency ?? ""}${expr.text}${expr.suffix?.text ?? ""}${unit}`;
      }
      case "string":
        return this.#source(expr);
      case "bool":
        return String(expr.value);
      case "name":
        return expr.text;
      case "list":
        return `[${expr.items.map((i) => this.#flat(i)).join(", ")}]`;
      case "record":
        return this.#flatBody(expr.body);
      case "variant":
        return `${expr.name.text} ${this.#flatBody(expr.body)}`;
      case "choice":
        return expr.options.map((o) => this.#flat(o)).join(" | ");
      case "range": {
        const tight = this.#flat(expr.min);
        const max = this.#flat(expr.max);
        const loose = /\s/.test(tight) || /\s/.test(max);
        return loose ? `${tight} .. ${max}` : `${tight}..${max}`;
      }
      case "every":
        return `every ${this.#flat(expr.interval)}`;
      case "binary":
        return `${this.#flat(expr.left)} ${expr.operator} ${this.#flat(expr.right)}`;
      case "unary":
        return `-${this.#flat(expr.operand)}`;
      case "paren":
        return `(${this.#flat(expr.inner)})`;
      case "missing":
        return "";
    }
  }

  /** Texts stay as they were written, escapes and all. */
  #source(expr: Expr): string {
    return this.text.slice(expr.span.start, expr.span.end);
  }
}

/** Keys of neighbouring one-line entries get one column for `=`, and their comments one column. */
function align(lines: readonly Line[]): string {
  const out: string[] = [];
  for (let i = 0; i < lines.length; ) {
    let end = i + 1;
    const first = lines[i] as Line;
    if (first.head !== undefined) while (end < lines.length && joins(lines[end - 1] as Line, lines[end] as Line)) end++;
    const run = lines.slice(i, end);
    const column = run.reduce((n, l) => Math.max(n, l.head?.length ?? 0), 0);
    const printed = run.map(
      (l) => "  ".repeat(l.depth) + (l.head === undefined ? l.rest : `${l.head.padEnd(column)} ${l.rest}`),
    );
    const commented = run.reduce(
      (widest, l, n) => (l.comment === undefined ? widest : Math.max(widest, (printed[n] as string).length)),
      0,
    );
    run.forEach((line, n) => {
      if (line.gap && out.length > 0) out.push("");
      const text = printed[n] as string;
      const pad = commented <= width ? text.padEnd(commented) : text;
      out.push((line.comment === undefined ? text : `${pad}  ${line.comment}`).trimEnd());
    });
    i = end;
  }
  return out.join("\n");
}

/** A run goes on over entries of one level without a blank line or a body of several lines between them. */
const joins = (before: Line, line: Line): boolean =>
  line.head !== undefined && !line.gap && before.single && before.depth === line.depth && before.sort === line.sort;
