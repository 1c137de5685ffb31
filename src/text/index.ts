/** Source text and places in it. Offsets are UTF-16 code units from 0; lines and columns are shown from 1. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** A half-open range `[start, end)` of one file. */
export interface Span {
  readonly file: string;
  readonly start: number;
  readonly end: number;
}

export interface Position {
  readonly line: number;
  readonly column: number;
  readonly offset: number;
}

/** Offsets at which lines start; built once per file, binary-searched afterwards. */
export class LineMap {
  readonly #starts: number[] = [0];

  constructor(readonly text: string) {
    for (let i = 0; i < text.length; i++) {
      const c = text.charCodeAt(i);
      if (c === 10 || (c === 13 && text.charCodeAt(i + 1) !== 10)) this.#starts.push(i + 1);
    }
  }

  get lineCount(): number {
    return this.#starts.length;
  }

  position(offset: number): Position {
    const at = Math.max(0, Math.min(offset, this.text.length));
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const mid = (low + high + 1) >> 1;
      if ((this.#starts[mid] ?? 0) <= at) low = mid;
      else high = mid - 1;
    }
    return { line: low + 1, column: at - (this.#starts[low] ?? 0) + 1, offset: at };
  }

  /** The text of a line (from 1) without its line end. */
  line(number: number): string {
    const start = this.#starts[number - 1] ?? this.text.length;
    const end = this.#starts[number] ?? this.text.length;
    return this.text.slice(start, end).replace(/[\r\n]+$/, "");
  }

  offset(line: number, column: number): number {
    return Math.min((this.#starts[line - 1] ?? this.text.length) + column - 1, this.text.length);
  }
}

/** What pure stages may ask of the outside. Paths are POSIX-like and relative to the project root. */
export interface Host {
  /** The text of a file, or undefined where there is none. `std/<name>` is answered from the bundled families. */
  readonly read: (path: string) => string | undefined;
  /** Paths that match a glob, sorted. */
  readonly glob?: (pattern: string) => readonly string[];
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** A byte length, for "this file has about N tokens" (undefined: unknown or remote). */
  readonly size?: (path: string) => number | undefined;
  /** SHA-256 of a text's UTF-8 bytes, in hex, where the outside has a faster one than ours. */
  readonly sha256?: (text: string) => string;
}
