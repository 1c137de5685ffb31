/** Which pieces of which documents make up row `n` of a stage: a pure function of the seed and `n`. */
import type { Mix } from "../../checker/pipeline.js";
import { MixCursor } from "./mix.js";
import { permuted } from "./order.js";
import { type DocumentView, type Piece, WindowStream } from "./view.js";

export interface PlannedPiece extends Piece {
  readonly dataset: number;
  /** Index in the view, for answers. */
  readonly document: number;
}

export interface RowPlan {
  readonly pieces: readonly PlannedPiece[];
  /** Dataset with the most tokens in the row. */
  readonly dataset: number;
  /** Its own count of items so far: tells the epoch. */
  readonly ordinals: readonly number[];
}

export interface RowPlannerOptions {
  readonly mix: Mix;
  /** By dataset name. */
  readonly views: Readonly<Record<string, DocumentView>>;
  readonly length: number;
  readonly rows: number;
  readonly seed: number;
  /** Windows over running text, or one or more whole documents a row. */
  readonly mode: "windows" | "documents";
  /** Several documents a row (mode `documents`). */
  readonly packing: boolean;
}

/** How many documents may wait for a row with room for them. */
const lookahead = 16;
const keptRows = 4096;

interface Waiting extends PlannedPiece {
  readonly size: number;
  readonly ordinal: number;
}

/** Rows come in sequence; going back replays from the start, which reads no tokens and takes microseconds a row. */
export class RowPlanner {
  readonly names: readonly string[];
  readonly #views: readonly DocumentView[];
  readonly #windows: readonly WindowStream[];
  readonly #seeds: readonly number[];
  #cursor: MixCursor;
  #counts: number[];
  #waiting: Waiting[] = [];
  #rows: RowPlan[] = [];
  #first = 0;
  #next = 0;

  constructor(readonly options: RowPlannerOptions) {
    this.#cursor = this.#newCursor();
    this.names = this.#cursor.names;
    this.#views = this.names.map((name) => options.views[name] as DocumentView);
    this.#seeds = this.names.map((_, d) => (options.seed * 31 + d * 7919 + 17) | 0);
    this.#windows =
      options.mode === "windows"
        ? this.#views.map((view, d) => new WindowStream(view, options.length, this.#seeds[d] as number))
        : [];
    this.#counts = this.names.map(() => 0);
  }

  /** Items (windows or documents) of a dataset in one epoch. */
  perEpoch(dataset: number): number {
    return (
      this.#windows[dataset]?.windowsPerEpoch ?? (this.#views[dataset] as DocumentView).count / this.#step(dataset)
    );
  }

  /** Shares of tokens at a point of the stage (0..1), in the order of `names`. */
  weightsAt(progress: number): Float64Array {
    return this.#cursor.weightsAt(progress);
  }

  row(number: number): RowPlan {
    if (number < this.#first) this.#restart();
    while (this.#next <= number) this.#advance();
    const plan = this.#rows[number - this.#first] as RowPlan;
    const stream = this.#windows[plan.dataset];
    if (stream === undefined) return plan;
    // Windows are cut only for the rows that are asked for: skipping ahead costs the choice of a dataset alone.
    const pieces = stream.window(plan.ordinals[0] as number);
    return { ...plan, pieces: pieces.map((piece) => ({ ...piece, dataset: plan.dataset, document: -1 })) };
  }

  #newCursor(): MixCursor {
    const { mix, views } = this.options;
    if (mix.unit.value === "tokens") return new MixCursor(mix);
    const means = Object.entries(views).map(([name, view]) => [name, view.tokens / Math.max(1, view.count)] as const);
    return new MixCursor(mix, Object.fromEntries(means));
  }

  #restart(): void {
    this.#cursor = this.#newCursor();
    this.#counts = this.names.map(() => 0);
    this.#waiting = [];
    this.#rows = [];
    this.#first = 0;
    this.#next = 0;
  }

  #advance(): void {
    const progress = this.#next / Math.max(1, this.options.rows);
    this.#rows.push(this.options.mode === "windows" ? this.#windowRow(progress) : this.#documentRow(progress));
    this.#next++;
    if (this.#rows.length > 2 * keptRows) {
      this.#rows = this.#rows.slice(keptRows);
      this.#first += keptRows;
    }
  }

  #windowRow(progress: number): RowPlan {
    const dataset = this.#cursor.choose(progress);
    this.#cursor.take(dataset, 1, progress);
    const ordinal = this.#counts[dataset] as number;
    this.#counts[dataset] = ordinal + 1;
    return { pieces: [], dataset, ordinals: [ordinal] };
  }

  /** Preference data: a view holds chosen and rejected as neighbours, and a document is the pair. */
  #step(dataset: number): number {
    return (this.#views[dataset] as DocumentView).store.meta.sequencesPerDocument;
  }

  #pull(progress: number): Waiting {
    const dataset = this.#cursor.choose(progress);
    const view = this.#views[dataset] as DocumentView;
    const step = this.#step(dataset);
    const count = view.count / step;
    const ordinal = this.#counts[dataset] as number;
    this.#counts[dataset] = ordinal + 1;
    const epoch = Math.floor(ordinal / count);
    const document = permuted(ordinal - epoch * count, count, this.#seeds[dataset] as number, 2 * epoch) * step;
    const start = view.starts[document] as number;
    // A row of n positions takes n + 1 tokens of one document: the last one is only a target.
    const end = Math.min(view.ends[document] as number, start + this.options.length + 1);
    const size = Math.max(1, end - start - 1);
    this.#cursor.take(dataset, size, progress);
    return { dataset, document, start, end, newDocument: true, size, ordinal };
  }

  #documentRow(progress: number): RowPlan {
    const taken: Waiting[] = [];
    let room = this.options.length;
    if (!this.options.packing) taken.push(this.#pull(progress));
    else {
      while (this.#waiting.length < lookahead) this.#waiting.push(this.#pull(progress));
      for (let i = 0; i < this.#waiting.length; ) {
        const candidate = this.#waiting[i] as Waiting;
        if (candidate.size > room) {
          i++;
          continue;
        }
        taken.push(candidate);
        room -= candidate.size;
        this.#waiting.splice(i, 1);
        if (room > 0) this.#waiting.push(this.#pull(progress));
      }
    }
    const sizes = this.names.map((_, d) => taken.reduce((n, t) => n + (t.dataset === d ? t.size : 0), 0));
    return { pieces: taken, dataset: sizes.indexOf(Math.max(...sizes)), ordinals: taken.map((t) => t.ordinal) };
  }
}
