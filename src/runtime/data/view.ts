import type { TokenStore } from "./cache.js";
import { hash32, permuted } from "./order.js";

/** A part of a store (training or held out): documents as token ranges. For preference data, pairs of ranges. */
export class DocumentView {
  readonly tokens: number;
  constructor(
    readonly store: TokenStore,
    /** Document number in the store, for answers. */
    readonly documents: Float64Array,
    readonly starts: Float64Array,
    readonly ends: Float64Array,
  ) {
    let tokens = 0;
    for (let i = 0; i < ends.length; i++) tokens += (ends[i] as number) - (starts[i] as number);
    this.tokens = tokens;
  }

  get count(): number {
    return this.documents.length;
  }
}

/**
 * Training and held-out documents. Whole text files lose their last part; of rows, those with the smallest hash are held
 * out (exactly `share` of them, at least one), so a row stays on its side when others are added after it.
 */
export function splitHoldout(store: TokenStore, share: number): { train: DocumentView; holdout: DocumentView } {
  const per = store.meta.sequencesPerDocument;
  const count = store.meta.documents;
  const start = (sequence: number) => (sequence === 0 ? 0 : (store.ends[sequence - 1] as number));
  const view = (entries: readonly (readonly [document: number, start: number, end: number])[]) =>
    new DocumentView(
      store,
      Float64Array.from(entries, (e) => e[0]),
      Float64Array.from(entries, (e) => e[1]),
      Float64Array.from(entries, (e) => e[2]),
    );
  const train: [number, number, number][] = [];
  const held: [number, number, number][] = [];
  if (store.meta.wholeFiles) {
    for (let d = 0; d < count; d++) {
      const [from, to] = [start(d), store.ends[d] as number];
      const cut = to - Math.round((to - from) * share);
      if (cut > from) train.push([d, from, cut]);
      if (cut < to) held.push([d, cut, to]);
    }
    return { train: view(train), holdout: view(held) };
  }
  const wanted = share === 0 ? 0 : Math.min(count - 1, Math.max(1, Math.round(count * share)));
  const limit =
    wanted === 0 ? -1 : (Float64Array.from({ length: count }, (_, d) => rank(d)).sort()[wanted - 1] as number);
  for (let d = 0; d < count; d++)
    for (let s = 0; s < per; s++)
      (rank(d) <= limit ? held : train).push([d, start(d * per + s), store.ends[d * per + s] as number]);
  return { train: view(train), holdout: view(held) };
}

/** Long documents as several of at most `length` + 1 tokens; the last target of one is the first input of the next. */
export function chunked(view: DocumentView, length: number): DocumentView {
  const chunks: [number, number, number][] = [];
  for (let d = 0; d < view.count; d++) {
    const end = view.ends[d] as number;
    for (let start = view.starts[d] as number; start < end; start += length) {
      const stop = Math.min(end, start + length + 1);
      if (stop - start > 1 || start === view.starts[d]) chunks.push([view.documents[d] as number, start, stop]);
    }
  }
  return new DocumentView(
    view.store,
    Float64Array.from(chunks, (c) => c[0]),
    Float64Array.from(chunks, (c) => c[1]),
    Float64Array.from(chunks, (c) => c[2]),
  );
}

/** Distinct for distinct documents. */
const rank = (document: number): number =>
  hash32(0x686f6c64, document >>> 0, Math.floor(document / 2 ** 32)) + (document % 1e6) / 1e7;

/** A piece of a row: tokens `[start, end)` of a store. */
export interface Piece {
  readonly start: number;
  readonly end: number;
  /** False where it goes on with the document of the piece before it. */
  readonly newDocument: boolean;
}

/**
 * The documents of a view end to end in an order shuffled anew each epoch, as a ring that is cut into windows of
 * `length` tokens (each reads one token more, its last target). The cut starts at a random place each epoch, so borders
 * differ between epochs; windows come in shuffled order. Any window is found without replaying the ones before.
 */
export class WindowStream {
  readonly windowsPerEpoch: number;
  #epoch = -1;
  #order = new Float64Array();
  #prefix = new Float64Array();
  #offset = 0;

  constructor(
    readonly view: DocumentView,
    readonly length: number,
    readonly seed: number,
  ) {
    this.windowsPerEpoch = Math.max(1, Math.floor(view.tokens / length));
  }

  epochOf(window: number): number {
    return Math.floor(window / this.windowsPerEpoch);
  }

  window(number: number): readonly Piece[] {
    const epoch = this.epochOf(number);
    if (epoch !== this.#epoch) this.#open(epoch);
    const inEpoch = permuted(number - epoch * this.windowsPerEpoch, this.windowsPerEpoch, this.seed, 2 * epoch + 1);
    const total = this.view.tokens;
    let at = (this.#offset + inEpoch * this.length) % total;
    let left = this.length + 1;
    const pieces: Piece[] = [];
    let slot = this.#slotAt(at);
    while (left > 0) {
      const document = this.#order[slot] as number;
      const begin = this.view.starts[document] as number;
      const into = at - (this.#prefix[slot] as number);
      const size = Math.min(left, (this.view.ends[document] as number) - begin - into);
      pieces.push({ start: begin + into, end: begin + into + size, newDocument: into === 0 || pieces.length === 0 });
      left -= size;
      at += size;
      slot++;
      if (at >= total) {
        at = 0;
        slot = 0;
      }
    }
    return pieces;
  }

  #open(epoch: number): void {
    const count = this.view.count;
    this.#order = Float64Array.from({ length: count }, (_, i) => permuted(i, count, this.seed, 2 * epoch));
    this.#prefix = new Float64Array(count);
    for (let i = 1; i < count; i++) {
      const before = this.#order[i - 1] as number;
      const size = (this.view.ends[before] as number) - (this.view.starts[before] as number);
      this.#prefix[i] = (this.#prefix[i - 1] as number) + size;
    }
    this.#offset = Math.floor((hash32(this.seed, epoch, 0x6f66) / 2 ** 32) * this.view.tokens);
    this.#epoch = epoch;
  }

  /** The last slot that starts at or before a place in the ring. Empty documents are never in a view. */
  #slotAt(at: number): number {
    let low = 0;
    let high = this.#prefix.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#prefix[middle] as number) <= at) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
