/** Generation: forward passes of a few new tokens at a time, over the keys and values of those before. */

import type { Op } from "../model/graph.js";
import type { Algebra } from "./algebra.js";
import { headLogits, headOf } from "./head.js";
import { layerForward } from "./layer.js";
import { contexts, type ModelState } from "./model.js";
import type { KeyValueCache } from "./ops/types.js";

interface Kept<T> {
  readonly k: T;
  readonly v: T;
}

/** Rows of `more` ([sequences · n, width]) after those of `before`, sequence by sequence. */
function appended<T>(algebra: Algebra<T>, before: T | undefined, more: T, sequences: number): T {
  if (before === undefined) return algebra.share(more);
  const [rows, width] = algebra.shape(more) as [number, number];
  const [old] = algebra.shape(before) as [number];
  const total = old + rows;
  const [a, b] = [(old / sequences) * width, (rows / sequences) * width];
  const [joined] = algebra.loop([before, more], [[total, width]], { elements: 2 * total * width }, ([x, y], [out]) => {
    for (let s = 0; s < sequences; s++) {
      out!.set(x!.subarray(s * a, (s + 1) * a), s * (a + b));
      out!.set(y!.subarray(s * b, (s + 1) * b), s * (a + b) + a);
    }
  });
  return joined!;
}

/** Keys and values of one layer, kept for as many sequences as are decoded together. */
class LayerCache<T> implements KeyValueCache<T> {
  readonly #kept = new Map<string, Kept<T>>();
  constructor(
    private readonly algebra: Algebra<T>,
    private readonly sequences: number,
  ) {}
  extend(op: Op, k: T, v: T): Kept<T> {
    const before = this.#kept.get(op.id);
    const kept = {
      k: appended(this.algebra, before?.k, k, this.sequences),
      v: appended(this.algebra, before?.v, v, this.sequences),
    };
    this.#drop(before);
    this.#kept.set(op.id, kept);
    return kept;
  }
  skip(n: number): void {
    for (const [id, before] of this.#kept) {
      const zeros = (x: T): T => this.algebra.zeros([n * this.sequences, this.algebra.shape(x)[1]!]);
      const [k, v] = [zeros(before.k), zeros(before.v)];
      const longer = {
        k: appended(this.algebra, before.k, k, this.sequences),
        v: appended(this.algebra, before.v, v, this.sequences),
      };
      this.#drop({ k, v });
      this.#drop(before);
      this.#kept.set(id, longer);
    }
  }
  free(): void {
    for (const kept of this.#kept.values()) this.#drop(kept);
    this.#kept.clear();
  }
  #drop(kept: Kept<T> | undefined): void {
    if (kept === undefined) return;
    this.algebra.free(kept.k);
    this.algebra.free(kept.v);
  }
}

/** Sequences of one length, decoded together. */
export class Decoder<T> {
  /** Tokens of each sequence so far. */
  length = 0;
  readonly #caches: readonly LayerCache<T>[];
  constructor(
    private readonly algebra: Algebra<T>,
    private readonly state: ModelState<T>,
    private readonly sequences: number,
  ) {
    this.#caches = state.graph.stack.map(() => new LayerCache(algebra, sequences));
  }

  /**
   * Logits [sequences, vocab] of the token that follows.
   * @param tokens the new tokens of each sequence, row-major [sequences, tokens.length / sequences]
   */
  step(tokens: Int32Array): T {
    const { algebra, state, sequences } = this;
    const n = tokens.length / sequences;
    const positions = Int32Array.from(tokens, (_, i) => this.length + (i % n));
    const inputs = {
      sequences,
      length: n,
      tokens: algebra.ints(tokens, [tokens.length]),
      positions: algebra.ints(positions, [tokens.length]),
    };
    const { kindAt, contextOf } = contexts(algebra, state, inputs, false, this.#caches);
    const top = state.graph.stack.length - 1;
    const head = headOf(kindAt(top));
    let x = algebra.share(inputs.tokens);
    for (let i = 0; i <= top; i++) {
      if (i === top) x = this.#last(x, n);
      const { y, saved } = layerForward(contextOf(i), i === top ? head.body : kindAt(i), x, "all");
      for (const t of saved.tensors.values()) algebra.free(t);
      x = y;
    }
    this.length += n;
    algebra.free(inputs.tokens);
    algebra.free(inputs.positions);
    return headLogits(contextOf(top), head, x);
  }

  /** Each sequence's last row; takes ownership of `x`. */
  #last(x: T, n: number): T {
    if (n === 1) return x;
    const { algebra, sequences } = this;
    const [, width] = algebra.shape(x) as [number, number];
    const [rows] = algebra.loop([x], [[sequences, width]], { elements: 2 * sequences * width }, ([all], [out]) => {
      for (let s = 0; s < sequences; s++) {
        const at = ((s + 1) * n - 1) * width;
        out!.set(all!.subarray(at, at + width), s * width);
      }
    });
    algebra.free(x);
    return rows!;
  }

  /** Goes on as if `n` more tokens had been read: what the planner measures by. */
  skip(n: number): void {
    for (const cache of this.#caches) cache.skip(n);
    this.length += n;
  }

  free(): void {
    for (const cache of this.#caches) cache.free();
  }
}
