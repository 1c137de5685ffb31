/**
 * The best split of layers over pipeline ranks for a given treatment of the layers, exact: with one chunk a rank over all
 * contiguous splits of any stack; with several, over all numbers of layers a rank (its chunks as even as can be), for stacks
 * whose layers are alike after a leading run of others (DeepSeek's dense layers). Rank by rank, states that no completion can
 * make best are dropped: by memory, by a bound on what the remaining layers add, and by other states that are no worse in
 * anything. For other stacks with several chunks a rank each figure is taken at its least; `floor` says below what nothing is.
 */
import type { Seconds } from "../../units/index.js";
import { noRanks, withRank } from "../extremes.js";
import { type Chunks, chunkSize, spread, toChunks } from "../layout/index.js";
import type { ParallelPlan } from "../plan.js";
import type { Placement } from "../recompute/modes.js";
import { scheduleTraits } from "../schedule/index.js";
import type { Extremes, HeldLayers, RankFigures, SplitModel } from "../types.js";

/** How layers are treated: by their place in the stack, or the first so many of each chunk in another way. */
export interface Treatment {
  readonly stack: readonly string[];
  readonly layers: Placement;
  readonly first?: { readonly count: number; readonly layers: Placement };
}

export interface SplitResult {
  /** Faster than the limit, and within memory. */
  readonly chunks?: Chunks;
  /** Not proven: no split can be faster than this. */
  readonly floor?: Seconds;
}

interface State {
  /** Layers used, and where the next rank's first chunk starts (as far as that matters). */
  readonly used: number;
  readonly start: number;
  readonly x: Extremes;
  /** What the layers used take by themselves. */
  readonly own: Own;
  readonly from: State | undefined;
  readonly layers: number;
}

/** States looked at before the proof is given up. */
const mostStates = 60_000;
const rounding = 1 + 1e-12;
const near = 1 + 1e-9;

/** False: ranks cannot hold all layers treated so in a step below the limit, however they are split. */
export const canHold = (ranks: Ranks, room: number, limit: Seconds): boolean =>
  ranks.hold(ranks.most(room, ranks.enough(limit)));

export type Pipelined = Pick<ParallelPlan, "pipeline" | "virtual" | "schedule">;

/** Of splits in which no rank's peak is above `room`, and the step is below the limit. */
export function bestSplit(ranks: Ranks, room: number, limit: Seconds): SplitResult {
  const least = ranks.least();
  if (least >= limit || !ranks.hold(ranks.most(room, ranks.enough(limit)))) return {};
  if (ranks.layersOf === "unknown") return { floor: least };
  let counted = 0;
  const givenUp = (): boolean => ++counted > mostStates;
  let best: State | undefined;
  let bestSeconds = limit;
  // Near the least time there are few states: the goal is raised only where nothing is found below.
  for (let share = 0.005; ; share *= 4) {
    const goal = share > 1e4 ? bestSeconds : Math.min(bestSeconds, least * (1 + share));
    const most = ranks.most(room, ranks.enough(goal));
    const walked = ranks.hold(most) ? walk(ranks, room, most, goal, givenUp) : nowhere;
    if (walked === undefined) return { ...chunksOf(ranks, best), floor: least };
    const { found, seconds, lower } = walked;
    if (found === undefined) {
      if (goal >= bestSeconds) return chunksOf(ranks, best);
      continue;
    }
    const closer = seconds < bestSeconds / near;
    best = found;
    bestSeconds = seconds;
    // Each figure at its least: a split to try, and what none is below.
    if (ranks.layersOf === "bounded") return { ...chunksOf(ranks, best), floor: lower };
    if (lower * near >= seconds) return chunksOf(ranks, best);
    // What a slower rank's backward hides was taken too well: again, with what was found as the limit.
    if (!closer) return { ...chunksOf(ranks, best), floor: lower };
    share = 1e4;
  }
}

const nowhere = { found: undefined, seconds: Number.POSITIVE_INFINITY, lower: Number.POSITIVE_INFINITY };
const chunksOf = (ranks: Ranks, state: State | undefined): Pick<SplitResult, "chunks"> =>
  state === undefined ? {} : { chunks: ranks.chunksOf(state) };

/** The best complete state below the limit, and what no complete state is below. Undefined: given up. */
function walk(
  ranks: Ranks,
  room: number,
  most: readonly number[],
  limit: Seconds,
  givenUp: () => boolean,
): { readonly found: State | undefined; readonly seconds: Seconds; readonly lower: Seconds } | undefined {
  const { p, virtual, layers, model } = ranks;
  const after = most.map((_, r) => most.slice(r + 1).reduce((a, b) => a + b, 0));
  // The backward behind which the reduction of gradients hides is the slowest rank's: at most this.
  const plain = ranks.longestPlain(limit);
  let states: State[] = [{ used: 0, start: 0, x: noRanks, own: nothing, from: undefined, layers: 0 }];
  let found: State | undefined;
  let seconds = limit;
  let lower = Number.POSITIVE_INFINITY;
  for (let r = 0; r < p; r++) {
    const next = new Map<number, State[]>();
    const last = r === p - 1;
    for (const state of states) {
      const left = layers - state.used;
      const fewest = Math.max(virtual, last ? left : left - after[r]!);
      const largest = Math.min(most[r]!, left - virtual * (p - r - 1));
      for (let n = fewest; n <= largest; n++) {
        if (givenUp()) return undefined;
        const held = ranks.at(r, n, state.start);
        // With more layers both memory and time only grow.
        if (held.figures.peakBytes > room) break;
        const x = withRank(state.x, held.figures);
        if (model.stepSeconds({ ...x, plain }) >= seconds) break;
        const own = plus(state.own, held.own, 1);
        const bound = last ? ranks.total(x, plain) : ranks.bound(r, x, own, plain);
        if (bound >= seconds) continue;
        const start = ranks.startAfter(n, state.start);
        const made: State = { used: state.used + n, start, x, own, from: state, layers: n };
        if (!last) {
          offer(next, made);
          continue;
        }
        lower = Math.min(lower, bound);
        const real = ranks.layersOf === "known" ? model.stepSeconds(x) : bound;
        if (real >= seconds) continue;
        found = made;
        seconds = real;
      }
    }
    states = [...next.values()].flat();
  }
  return { found, seconds, lower };
}

/** Keeps a state that no other with the same layers left is as good as. */
function offer(next: Map<number, State[]>, made: State): void {
  const key = made.used * 4096 + made.start;
  const rivals = next.get(key);
  if (rivals === undefined) {
    next.set(key, [made]);
    return;
  }
  const noWorse = (a: Extremes, b: Extremes): boolean =>
    a.slowest <= b.slowest &&
    a.sum <= b.sum * rounding &&
    a.again <= b.again * rounding &&
    a.trainable <= b.trainable &&
    a.dense <= b.dense &&
    a.expert <= b.expert;
  if (rivals.some((s) => noWorse(s.x, made.x))) return;
  next.set(key, [...rivals.filter((s) => !noWorse(made.x, s.x)), made]);
}

/** What layers take by themselves, on any rank. */
interface Own {
  readonly seconds: Seconds;
  readonly plain: Seconds;
  readonly trainable: number;
  readonly dense: number;
  readonly expert: number;
}

const nothing: Own = { seconds: 0, plain: 0, trainable: 0, dense: 0, expert: 0 };
const plus = (a: Own, b: Own, times: number): Own => ({
  seconds: a.seconds + times * b.seconds,
  plain: a.plain + times * b.plain,
  trainable: a.trainable + times * b.trainable,
  dense: a.dense + times * b.dense,
  expert: a.expert + times * b.expert,
});

interface Held {
  readonly figures: RankFigures;
  readonly own: Own;
}

/** What each rank comes to with so many layers from a given start. */
export class Ranks {
  readonly p: number;
  readonly virtual: number;
  readonly layers: number;
  /** What all layers take at least. */
  private readonly all: Own;
  /** Whether classes of a rank's layers can be told from where its first chunk starts; or only how many are of one at least and at most. */
  readonly layersOf: "known" | "bounded" | "unknown";
  private readonly lastRank: number;
  /** Class of each layer of the stack, from 1. */
  private readonly classes: readonly number[];
  private readonly samples: HeldLayers[] = [];
  /** The class that a layer has among the first of its chunk, by the one that it has otherwise. */
  private readonly early: number[] = [];
  /** One layer of each class. */
  private readonly ones: readonly Own[];
  /** Length of the leading run; starts beyond it are all alike. */
  private readonly lead: number;
  private readonly cache: Map<number, Held>[];

  constructor(
    readonly model: SplitModel,
    private readonly parallel: Pipelined,
    private readonly treatment: Treatment,
  ) {
    const { stack, layers: placement, first } = treatment;
    this.p = parallel.pipeline;
    this.virtual = parallel.virtual;
    this.layers = stack.length - 2;
    this.lastRank = scheduleTraits(parallel.schedule).rankOf(this.p * this.virtual - 1, this.p);
    this.cache = Array.from({ length: this.p }, () => new Map());
    const ids = new Map<string, number>();
    const classOf = (layer: number, of: Placement): number => {
      const { mode, ops, offload } = of[layer]!;
      const key = `${stack[layer]} ${mode} ${ops.join()} ${offload.length > 0}`;
      let id = ids.get(key);
      if (id === undefined) {
        id = ids.size;
        ids.set(key, id);
        this.samples.push({ kind: stack[layer]!, mode, ops, offload, count: 1 });
      }
      return id;
    };
    this.classes = stack.map((_, i) => (i === 0 || i > this.layers ? -1 : classOf(i, placement)));
    if (first !== undefined)
      for (let i = 1; i <= this.layers; i++) this.early[this.classes[i]!] ??= classOf(i, first.layers);
    const tail = this.classes[this.layers]!;
    let lead = this.layers;
    while (lead > 0 && this.classes[lead] === tail) lead--;
    this.lead = this.virtual === 1 ? this.layers : lead;
    // First chunks have a layer each at least: together they cover the leading run.
    const known = this.virtual === 1 || lead <= this.p;
    this.layersOf = known ? "known" : this.samples.length === 2 && first === undefined ? "bounded" : "unknown";
    const middle = Math.min(1, this.p - 1);
    this.ones = this.samples.map((s) => {
      const one = model.load(middle, [s], false, false);
      const two = model.load(middle, [{ ...s, count: 2 }], false, false);
      return plus(two, one, -1);
    });
    let all = nothing;
    for (let i = 1; i <= this.layers; i++) all = plus(all, this.leastOf(this.classes[i]!), 1);
    this.all = all;
  }

  /** Of a class: the least that its layers take, whichever place in a chunk they have. */
  private leastOf(id: number): Own {
    const own = this.ones[id]!;
    const early = this.early[id];
    return early === undefined ? own : { ...own, seconds: Math.min(own.seconds, this.ones[early]!.seconds) };
  }

  /** Below any split's step. */
  least(): Seconds {
    return this.bound(-1, noRanks, nothing, Number.POSITIVE_INFINITY) / rounding;
  }

  /** Below any completion of a state after rank r. */
  bound(r: number, x: Extremes, own: Own, plain: Seconds): Seconds {
    const left = this.p - r - 1;
    const rest = (figure: keyof Own): number => Math.max(0, this.all[figure] - own[figure]) / rounding;
    return this.model.stepSeconds({
      slowest: Math.max(x.slowest, rest("seconds") / left),
      plain,
      sum: x.sum + rest("seconds"),
      again: x.again,
      trainable: Math.max(x.trainable, rest("trainable") / left),
      dense: Math.max(x.dense, rest("dense") / left),
      expert: Math.max(x.expert, rest("expert") / left),
    });
  }

  /** The longest backward, without recomputation, of a rank that is fast enough for a step below the limit. */
  longestPlain(limit: Seconds): Seconds {
    const { model, p, lastRank } = this;
    let low = this.all.seconds / p;
    let high = 2 * low;
    const plain = Number.POSITIVE_INFINITY;
    const slow = (slowest: number): boolean => this.bound(-1, { ...noRanks, slowest }, nothing, plain) >= limit;
    for (let doublings = 0; !slow(high); doublings++) {
      if (doublings > 60) return plain;
      high *= 2;
    }
    for (let i = 0; i < 24; i++) {
      const middle = (low + high) / 2;
      if (slow(middle)) high = middle;
      else low = middle;
    }
    const share = this.ones.reduce((most, o) => Math.max(most, o.seconds > 0 ? o.plain / o.seconds : 1), 0);
    let longest = 0;
    for (const rank of [0, Math.min(1, p - 1), lastRank]) {
      const edge = model.load(rank, [], rank === 0, rank === lastRank);
      longest = Math.max(longest, edge.plain + share * Math.max(0, high - edge.seconds));
    }
    return longest * rounding;
  }

  /** Of all ranks; never less than what the layers take by themselves. */
  total(x: Extremes, plain: Seconds): Seconds {
    const { seconds } = this.all;
    const slowest = Math.max(x.slowest, seconds / this.p / rounding);
    return this.model.stepSeconds({ ...x, slowest, sum: Math.max(x.sum, seconds / rounding), plain });
  }

  startAfter(n: number, start: number): number {
    if (this.layersOf === "bounded") return 0;
    return this.virtual === 1 ? start + n : Math.min(this.lead, start + chunkSize(n, this.virtual, 0));
  }

  /** With n layers; its first chunk starts after `start` layers of the stack. */
  at(rank: number, n: number, start: number): Held {
    const key = n * 4096 + start;
    const known = this.cache[rank]!.get(key);
    if (known !== undefined) return known;
    const made = this.layersOf === "bounded" ? this.leastHeld(rank, n) : this.of(rank, this.held(n, start));
    this.cache[rank]!.set(key, made);
    return made;
  }

  /** Layers of each class. */
  private held(n: number, start: number): number[] {
    const counts: number[] = [];
    for (let i = 0; i < this.virtual; i++) {
      const size = chunkSize(n, this.virtual, i);
      // Only a rank's first chunk reaches into the leading run.
      const from = i === 0 ? start + 1 : this.layers - size + 1;
      const early = this.treatment.first?.count ?? 0;
      for (let k = 0; k < size; k++) {
        const own = this.classes[Math.min(from + k, this.layers)]!;
        const id = k < early ? this.early[own]! : own;
        counts[id] = (counts[id] ?? 0) + 1;
      }
    }
    return counts;
  }

  /** Of two classes: each figure at the least over how many layers may be of the second. */
  private leastHeld(rank: number, n: number): Held {
    let fewest = 0;
    let most = 0;
    for (let i = 0; i < this.virtual; i++) {
      const [low, high] = this.ofSecond(chunkSize(n, this.virtual, i));
      fewest += low;
      most += high;
    }
    const a = this.of(rank, [n - fewest, fewest]);
    const b = this.of(rank, [n - most, most]);
    const least = (figure: keyof RankFigures): number => Math.min(a.figures[figure], b.figures[figure]);
    const leastOwn = (figure: keyof Own): number => Math.min(a.own[figure], b.own[figure]);
    return {
      figures: {
        peakBytes: least("peakBytes"),
        seconds: least("seconds"),
        plain: Math.max(a.figures.plain, b.figures.plain),
        again: least("again"),
        trainable: least("trainable"),
        dense: least("dense"),
        expert: least("expert"),
      },
      own: {
        seconds: leastOwn("seconds"),
        plain: leastOwn("plain"),
        trainable: leastOwn("trainable"),
        dense: leastOwn("dense"),
        expert: leastOwn("expert"),
      },
    };
  }

  private readonly windows = new Map<number, readonly [fewest: number, most: number]>();

  /** Layers of the second class among so many in a row. */
  private ofSecond(size: number): readonly [fewest: number, most: number] {
    const found = this.windows.get(size);
    if (found !== undefined) return found;
    let fewest = size;
    let most = 0;
    for (let from = 1; from + size - 1 <= this.layers; from++) {
      let n = 0;
      for (let i = from; i < from + size; i++) n += this.classes[i]!;
      fewest = Math.min(fewest, n);
      most = Math.max(most, n);
    }
    const made = [fewest, most] as const;
    this.windows.set(size, made);
    return made;
  }

  private of(rank: number, counts: readonly number[]): Held {
    const layers: HeldLayers[] = [];
    let own = nothing;
    for (const [id, count] of counts.entries()) {
      if (count === undefined || count === 0) continue;
      layers.push({ ...this.samples[id]!, count });
      own = plus(own, this.ones[id]!, count);
    }
    return { figures: this.model.load(rank, layers, rank === 0, rank === this.lastRank), own };
  }

  /** The most layers that each rank can hold, of the class that needs least, up to `enough`. */
  most(room: number, enough: number): number[] {
    const most: number[] = [];
    const largest = Math.min(enough, this.layers - this.virtual * (this.p - 1));
    for (let rank = 0; rank < this.p; rank++) {
      // Neighbours hold about as many.
      let low = 0;
      let high = largest + 1;
      for (let n = most[rank - 1] ?? largest, step = 1; n > low && n < high; step *= 2) {
        if (this.lightest(rank, n) <= room) {
          low = n;
          n = Math.min(largest, n + step);
        } else {
          high = n;
          n = Math.max(0, n - step);
        }
      }
      while (high - low > 1) {
        const middle = (low + high) >> 1;
        if (this.lightest(rank, middle) <= room) low = middle;
        else high = middle;
      }
      most.push(low);
    }
    return most;
  }

  private readonly peaks = new Map<number, number>();

  /** The least peak of a rank with n layers of one class. */
  private lightest(rank: number, n: number): number {
    const key = rank * 4096 + n;
    const known = this.peaks.get(key);
    if (known !== undefined) return known;
    const first = this.treatment.first?.count ?? 0;
    let early = 0;
    for (let i = 0; i < this.virtual; i++) early += Math.min(first, chunkSize(n, this.virtual, i));
    let least = Number.POSITIVE_INFINITY;
    for (const id of new Set(this.classes.slice(1, -1))) {
      const counts: number[] = [];
      counts[id] = n - early;
      if (early > 0) counts[this.early[id]!] = (counts[this.early[id]!] ?? 0) + early;
      least = Math.min(least, this.of(rank, counts).figures.peakBytes);
    }
    this.peaks.set(key, least);
    return least;
  }

  /** More layers take a rank too long for a step below the limit. */
  enough(limit: Seconds): number {
    const each = this.ones.reduce((least, o) => Math.min(least, o.seconds), Number.POSITIVE_INFINITY);
    let low = this.virtual;
    let high = this.layers;
    const plain = Number.POSITIVE_INFINITY;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.bound(-1, { ...noRanks, slowest: middle * each }, nothing, plain) < limit) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  hold = (most: readonly number[]): boolean =>
    most.reduce((a, b) => a + b, 0) >= this.layers && most.every((n) => n >= this.virtual);

  chunksOf(state: State): Chunks {
    const counts: number[] = [];
    for (let s: State | undefined = state; s?.from !== undefined; s = s.from) counts.unshift(s.layers);
    const { pipeline, virtual, schedule } = this.parallel;
    return toChunks(spread(counts, virtual, schedule), pipeline, schedule);
  }
}
