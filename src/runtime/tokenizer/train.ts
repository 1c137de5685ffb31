/**
 * Trains byte-level BPE (Sennrich et al. 2016; GPT-2's bytes and word pattern). The same merges in the same order as
 * Python `tokenizers`' BpeTrainer: the most frequent pair goes next, of equal ones that with the smaller ids.
 */
import { byteLevelJson } from "./byte-level.js";
import { byteLevelAlphabet, byteSpecials } from "./bytes.js";

/** GPT-2's pattern of words. */
const words = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

export interface TrainOptions {
  /** Tokens in all: specials, 256 bytes, merges. */
  readonly vocab: number;
  readonly specials?: readonly string[];
}

/** Counts of words; texts may come in pieces. */
export class WordCounter {
  readonly counts = new Map<string, number>();

  add(text: string): void {
    for (const [word] of text.matchAll(words)) this.counts.set(word, (this.counts.get(word) ?? 0) + 1);
  }
}

interface Word {
  ids: number[];
  readonly count: number;
}

/** Pairs of ids as one number: ids stay below 2^21. */
const key = (a: number, b: number): number => a * 2 ** 21 + b;

interface Candidate {
  readonly pair: number;
  readonly count: number;
}

/** Binary heap: larger counts first, then smaller pairs. */
class Queue {
  readonly #items: Candidate[] = [];

  static #before(a: Candidate, b: Candidate): boolean {
    return a.count > b.count || (a.count === b.count && a.pair < b.pair);
  }

  push(item: Candidate): void {
    const items = this.#items;
    let at = items.length;
    items.push(item);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!Queue.#before(item, items[parent] as Candidate)) break;
      items[at] = items[parent] as Candidate;
      at = parent;
    }
    items[at] = item;
  }

  pop(): Candidate | undefined {
    const items = this.#items;
    const top = items[0];
    const last = items.pop();
    if (top === undefined || last === undefined || items.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && Queue.#before(items[child + 1] as Candidate, items[child] as Candidate)) child++;
      if (!Queue.#before(items[child] as Candidate, last)) break;
      items[at] = items[child] as Candidate;
      at = child;
    }
    items[at] = last;
    return top;
  }
}

/** @returns the text of a `tokenizer.json`; fewer tokens than asked where the text has no more pairs. */
export function trainBpe(counter: WordCounter, options: TrainOptions): string {
  const specials = options.specials ?? byteSpecials;
  const bytes = byteLevelAlphabet();
  const tokens = [
    ...specials,
    ...[...bytes].sort((a, b) => (a.codePointAt(0) as number) - (b.codePointAt(0) as number)),
  ];
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const list: Word[] = [...counter.counts].map(([word, count]) => ({
    ids: Array.from(Buffer.from(word, "utf8"), (byte) => ids.get(bytes[byte] as string) as number),
    count,
  }));
  const counts = new Map<number, number>();
  const places = new Map<number, Set<number>>();
  const add = (pair: number, count: number, word: number) => {
    counts.set(pair, (counts.get(pair) ?? 0) + count);
    if (count < 0) return;
    const at = places.get(pair);
    if (at === undefined) places.set(pair, new Set([word]));
    else at.add(word);
  };
  list.forEach(({ ids: chars, count }, w) => {
    for (let i = 1; i < chars.length; i++) add(key(chars[i - 1] as number, chars[i] as number), count, w);
  });
  const queue = new Queue();
  for (const [pair, count] of counts) queue.push({ pair, count });
  const merges: [string, string][] = [];
  while (tokens.length < options.vocab) {
    const top = queue.pop();
    if (top === undefined) break;
    const count = counts.get(top.pair) ?? 0;
    if (count < 1) continue;
    if (count !== top.count) {
      // Counted less since it was queued; more would have queued it again.
      if (count < top.count) queue.push({ pair: top.pair, count });
      continue;
    }
    const [a, b] = [Math.floor(top.pair / 2 ** 21), top.pair % 2 ** 21];
    const text = (tokens[a] as string) + (tokens[b] as string);
    let merged = ids.get(text);
    if (merged === undefined) {
      merged = tokens.length;
      ids.set(text, merged);
      tokens.push(text);
    }
    merges.push([tokens[a] as string, tokens[b] as string]);
    const touched = new Set<number>();
    for (const w of places.get(top.pair) ?? [])
      mergeIn(list[w] as Word, w, a, b, merged, (pair, change) => {
        add(pair, change, w);
        if (change > 0) touched.add(pair);
      });
    counts.set(top.pair, 0);
    places.delete(top.pair);
    for (const pair of touched) queue.push({ pair, count: counts.get(pair) ?? 0 });
  }
  return tokenizerJson(specials, tokens, merges);
}

/** Replaces each `a b` of a word, left to right, and tells how the counts of its neighbours change. */
function mergeIn(
  word: Word,
  _: number,
  a: number,
  b: number,
  merged: number,
  change: (pair: number, by: number) => void,
): void {
  const { ids, count } = word;
  const out: number[] = [];
  for (let i = 0; i < ids.length; i++) {
    if (ids[i] !== a || ids[i + 1] !== b) {
      out.push(ids[i] as number);
      continue;
    }
    const before = out.at(-1);
    if (before !== undefined) {
      change(key(before, a), -count);
      change(key(before, merged), count);
    }
    const after = ids[i + 2];
    if (after !== undefined) {
      change(key(b, after), -count);
      change(key(merged, after), count);
    }
    out.push(merged);
    i++;
  }
  word.ids = out;
}

function tokenizerJson(
  specials: readonly string[],
  tokens: readonly string[],
  merges: readonly [string, string][],
): string {
  const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
  return `${JSON.stringify(byteLevelJson({ specials, firstSpecial: 0, vocab, merges, words: true }))}\n`;
}
