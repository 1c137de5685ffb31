/**
 * A text as an editor has it, cut into top-level items that are parsed one by one: a keystroke costs the parse of the one
 * block it fell into. Whole-file diagnostics come from the analysis worker; this is what answers while typing.
 */
import type { Comment, Item } from "../parser/ast.js";
import { parse } from "../parser/index.js";
import { LineMap } from "../text/index.js";
import { type Site, sitesOf } from "./sites.js";

/** Offsets within a chunk count from its start, so that an edit above leaves it as it is. */
export class Chunk {
  #parsed: { readonly items: readonly Item[]; readonly comments: readonly Comment[] } | undefined;
  #sites: readonly Site[] | undefined;

  constructor(readonly text: string) {}

  #parse() {
    if (this.#parsed === undefined) {
      const { items, comments } = parse({ path: "", text: this.text }).value;
      this.#parsed = { items, comments };
    }
    return this.#parsed;
  }

  get items(): readonly Item[] {
    return this.#parse().items;
  }

  get comments(): readonly Comment[] {
    return this.#parse().comments;
  }

  /** Every place that means something, in order. */
  get sites(): readonly Site[] {
    this.#sites ??= this.items.flatMap((item) => sitesOf(item, this.text)).sort((a, b) => a.start - b.start);
    return this.#sites;
  }
}

export interface Placed {
  readonly chunk: Chunk;
  readonly start: number;
}

/** The same places at which the parser closes what was left open: a block, `import`, `param` or `let` at the very start of a line. */
const itemStart = /^(?:(?:import|param|let)\b|[A-Za-z_]\w*[ \t]*(?:[ \t][A-Za-z_][\w.-]*[ \t]*(?:[:{]|from\b)|\{))/gm;

export class Document {
  readonly lines: LineMap;
  readonly placed: readonly Placed[];
  readonly #byText: ReadonlyMap<string, Chunk>;

  constructor(
    /** Absolute. */
    readonly path: string,
    readonly uri: string,
    readonly text: string,
    readonly version: number,
    previous?: Document,
  ) {
    this.lines = new LineMap(text);
    const known = previous === undefined ? undefined : previous.#byText;
    const cuts = [0];
    for (const match of text.matchAll(itemStart)) if (match.index > 0) cuts.push(match.index);
    const byText = new Map<string, Chunk>();
    this.placed = cuts.map((start, i) => {
      const part = text.slice(start, cuts[i + 1] ?? text.length);
      // The same text is the same chunk, wherever it stands.
      const chunk = byText.get(part) ?? known?.get(part) ?? new Chunk(part);
      byText.set(part, chunk);
      return { chunk, start };
    });
    this.#byText = byText;
  }

  at(offset: number): Placed {
    let low = 0;
    let high = this.placed.length - 1;
    while (low < high) {
      const mid = (low + high + 1) >> 1;
      if ((this.placed[mid]?.start ?? 0) <= offset) low = mid;
      else high = mid - 1;
    }
    return this.placed[low] as Placed;
  }

  /** The innermost place that holds the offset; its end counts too, so that a cursor behind a word finds it. */
  siteAt(offset: number): { readonly site: Site; readonly start: number; readonly end: number } | undefined {
    const { chunk, start } = this.at(offset);
    const inside = offset - start;
    let found: Site | undefined;
    for (const site of chunk.sites) {
      if (site.start > inside) break;
      if (inside <= site.end && (found === undefined || inside < site.end || found.end < inside)) found = site;
    }
    return found === undefined ? undefined : { site: found, start: start + found.start, end: start + found.end };
  }

  *items(): Generator<{ readonly item: Item; readonly base: number; readonly chunk: Chunk }> {
    for (const { chunk, start } of this.placed) for (const item of chunk.items) yield { item, base: start, chunk };
  }

  position(offset: number): { line: number; character: number } {
    const { line, column } = this.lines.position(offset);
    return { line: line - 1, character: column - 1 };
  }

  range(start: number, end: number) {
    return { start: this.position(start), end: this.position(end) };
  }

  offset(position: { readonly line: number; readonly character: number }): number {
    const line = Math.min(position.line, this.lines.lineCount - 1);
    const start = this.lines.offset(line + 1, 1);
    return Math.min(start + position.character, start + this.lines.line(line + 1).length);
  }
}
