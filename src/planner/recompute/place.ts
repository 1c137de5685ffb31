/**
 * Checkpoint placement, exact: which option each layer of a pipeline rank takes, so that the rank fits and recomputes least.
 * A multiple-choice knapsack with one more term: what a layer brings back for its own backward is held by one layer at a
 * time, so the largest counts once. For each value that this largest can have, the knapsack is solved over a list of
 * undominated (bytes, seconds) states, cut by the linear relaxation of what is still to be placed.
 */
import type { Bytes, Seconds } from "../../units/index.js";
import type { LayerOption } from "./options.js";

export interface LayerGroup {
  /** Layers that are alike. */
  readonly count: number;
  readonly options: readonly LayerOption[];
  /** Micro-batches whose activations these layers hold at the peak. */
  readonly inFlight: number;
}

export interface PlacementResult {
  /** Per group: how many layers take each option. */
  readonly counts: readonly (readonly number[])[];
  readonly seconds: Seconds;
  /** Activations at the peak: kept for all micro-batches in flight, and the largest transient. */
  readonly bytes: Bytes;
}

interface State {
  readonly bytes: number;
  readonly seconds: number;
  readonly from: State | undefined;
  readonly option: number;
}

/** Undefined: no choice fits. */
export function placeRecompute(groups: readonly LayerGroup[], capacity: Bytes): PlacementResult | undefined {
  const transients = [...new Set(groups.flatMap((g) => g.options.map((o) => o.transient)))].filter(
    (t) => t <= capacity,
  );
  // Each value of the largest transient relaxed: the most promising first, and as far as they can still win.
  let incumbent = Number.POSITIVE_INFINITY;
  const cases = transients.flatMap((largest) => {
    const allowed = groups.map((g) => g.options.map((o, i) => ({ o, i })).filter(({ o }) => o.transient <= largest));
    if (allowed.some((list) => list.length === 0)) return [];
    const relaxed = relax(groups, allowed, capacity - largest);
    if (relaxed === undefined) return [];
    incumbent = Math.min(incumbent, relaxed.reached);
    return [{ largest, allowed, ...relaxed }];
  });
  // Sums in another order differ in their last digits.
  const rounding = 1e-9 * groups.reduce((sum, g) => sum + g.count * Math.max(...g.options.map((o) => o.seconds)), 0);
  cases.sort((x, y) => x.bound - y.bound || x.largest - y.largest);
  let best: PlacementResult | undefined;
  for (const { largest, allowed, bound, price } of cases) {
    const limit = Math.min(best?.seconds ?? Number.POSITIVE_INFINITY, incumbent + rounding);
    if (bound > limit) break;
    const promising = groups.map((g, i) => withinReach(allowed[i]!, g.inFlight, price, bound, limit + rounding));
    if (promising.some((list) => list.length === 0)) continue;
    const found = knapsack(groups, promising, capacity - largest, limit);
    if (found === undefined || (best !== undefined && found.seconds >= best.seconds)) continue;
    best = { counts: found.counts, seconds: found.seconds, bytes: found.bytes + largest };
  }
  return best;
}

/** Options that some placement within the limit can hold: what one costs above the best at the relaxation's price of a byte. */
function withinReach(list: Allowed, inFlight: number, price: number, bound: Seconds, limit: Seconds): Allowed {
  const reduced = ({ o }: Allowed[number]): number => o.seconds + price * o.bytes * inFlight;
  const least = list.reduce((n, x) => Math.min(n, reduced(x)), Number.POSITIVE_INFINITY);
  return list.filter((x) => bound + reduced(x) - least <= limit);
}

/** Fractions of layers allowed: a lower bound, the price of a byte there, and what whole layers reach. Undefined: none fits. */
function relax(
  groups: readonly LayerGroup[],
  allowed: readonly Allowed[],
  capacity: Bytes,
): { readonly bound: Seconds; readonly price: number; readonly reached: Seconds } | undefined {
  const hulls = groups.map((g, i) => hull(allowed[i]!, g.inFlight));
  let room = capacity;
  let bound = 0;
  for (const [i, h] of hulls.entries()) {
    room -= h.start.bytes * groups[i]!.count;
    bound += h.start.seconds * groups[i]!.count;
  }
  if (room < -capacity * 1e-12) return undefined;
  let reached = bound;
  let left = room;
  let price = 0;
  const ready = groups.map((g) => g.count);
  const segments = hulls.flatMap((h, g) => h.segments.map((s) => ({ ...s, g }))).sort((x, y) => y.perByte - x.perByte);
  for (const { bytes, perByte, g } of segments) {
    const all = bytes * groups[g]!.count;
    if (room > 0) {
      bound -= Math.min(room, all) * perByte;
      if (all > room) price = perByte;
      room -= all;
    } else if (price === 0) {
      // Used up to the last byte: the next one is what a byte is worth there. (With a price of 0 no option was within reach.)
      price = perByte;
    }
    const whole = Math.min(ready[g]!, Math.floor(left / bytes));
    ready[g] = whole;
    left -= whole * bytes;
    reached -= whole * bytes * perByte;
  }
  return { bound, price, reached };
}

type Allowed = readonly { readonly o: LayerOption; readonly i: number }[];

interface Segment {
  readonly bytes: number;
  readonly perByte: number;
}

/** The lower convex hull of a group's options: from the smallest bytes up, what each further byte saves at most. */
function hull(list: Allowed, inFlight: number): { start: { bytes: number; seconds: number }; segments: Segment[] } {
  const points = list
    .map(({ o }) => ({ bytes: o.bytes * inFlight, seconds: o.seconds }))
    .sort((a, b) => a.bytes - b.bytes || a.seconds - b.seconds);
  const kept: { bytes: number; seconds: number }[] = [];
  for (const p of points) {
    if (kept.length > 0 && p.seconds >= kept.at(-1)!.seconds) continue;
    while (kept.length > 1) {
      const [a, b] = [kept.at(-2)!, kept.at(-1)!];
      if ((b.seconds - a.seconds) * (p.bytes - a.bytes) < (p.seconds - a.seconds) * (b.bytes - a.bytes)) break;
      kept.pop();
    }
    kept.push(p);
  }
  const segments = kept.slice(1).map((p, i) => ({
    bytes: p.bytes - kept[i]!.bytes,
    perByte: (kept[i]!.seconds - p.seconds) / (p.bytes - kept[i]!.bytes),
  }));
  return { start: kept[0]!, segments };
}

function knapsack(
  groups: readonly LayerGroup[],
  allowed: readonly Allowed[],
  capacity: Bytes,
  limit: Seconds,
): PlacementResult | undefined {
  const hulls = groups.map((g, i) => hull(allowed[i]!, g.inFlight));
  const slack = 1 + 1e-12;
  let incumbent = limit;
  let states: State[] = [{ bytes: 0, seconds: 0, from: undefined, option: -1 }];
  const order = groups.flatMap((g, i) => new Array<number>(g.count).fill(i));
  for (const [position, g] of order.entries()) {
    // What is left after this layer, relaxed.
    const left = groups.map((_, i) => order.slice(position + 1).filter((x) => x === i).length);
    const segments = hulls
      .flatMap((h, i) =>
        left[i]! > 0 ? h.segments.map((s) => ({ bytes: s.bytes * left[i]!, perByte: s.perByte })) : [],
      )
      .sort((a, b) => b.perByte - a.perByte);
    const minBytes = hulls.reduce((sum, h, i) => sum + h.start.bytes * left[i]!, 0);
    const maxSeconds = hulls.reduce((sum, h, i) => sum + h.start.seconds * left[i]!, 0);
    const next: State[] = [];
    for (const state of states) {
      for (const { o, i } of allowed[g]!) {
        const bytes = state.bytes + o.bytes * groups[g]!.inFlight;
        let room = capacity - bytes - minBytes;
        if (room < -capacity * 1e-12) continue;
        let seconds = state.seconds + o.seconds + maxSeconds;
        // Walking whole segments reaches a real placement while they end at whole layers: the relaxed sum is a lower bound.
        for (const s of segments) {
          const take = Math.min(room, s.bytes);
          seconds -= take * s.perByte;
          room -= take;
          if (room <= 0) break;
        }
        if (seconds > incumbent * slack) continue;
        next.push({ bytes, seconds: state.seconds + o.seconds, from: state, option: i });
      }
    }
    states = prune(next);
    if (states.length === 0) return undefined;
    incumbent = Math.min(incumbent, complete(states, hulls, left, capacity));
  }
  const best = states.reduce((a, b) => (b.seconds < a.seconds ? b : a));
  if (best.seconds > limit) return undefined;
  const counts = groups.map((g) => new Array<number>(g.options.length).fill(0));
  let at: State | undefined = best;
  for (let position = order.length - 1; position >= 0 && at !== undefined; position--) {
    const list = counts[order[position]!]!;
    list[at.option] = list[at.option]! + 1;
    at = at.from;
  }
  return { counts, seconds: best.seconds, bytes: best.bytes };
}

/** A real completion of one of the states: greedy whole layers, for an upper bound. */
function complete(
  states: readonly State[],
  hulls: readonly { start: { bytes: number; seconds: number }; segments: readonly Segment[] }[],
  left: readonly number[],
  capacity: number,
): number {
  let best = Number.POSITIVE_INFINITY;
  const minBytes = hulls.reduce((sum, h, i) => sum + h.start.bytes * left[i]!, 0);
  const maxSeconds = hulls.reduce((sum, h, i) => sum + h.start.seconds * left[i]!, 0);
  for (const state of states) {
    let room = capacity - state.bytes - minBytes;
    let seconds = state.seconds + maxSeconds;
    for (const [i, h] of hulls.entries()) {
      let layers = left[i]!;
      for (const s of h.segments) {
        const whole = Math.min(layers, Math.floor(room / s.bytes));
        layers = whole;
        room -= whole * s.bytes;
        seconds -= whole * s.bytes * s.perByte;
        if (layers === 0) break;
      }
    }
    best = Math.min(best, seconds);
  }
  return best;
}

function prune(states: State[]): State[] {
  states.sort((a, b) => a.bytes - b.bytes || a.seconds - b.seconds);
  const kept: State[] = [];
  let least = Number.POSITIVE_INFINITY;
  for (const s of states) {
    if (s.seconds >= least) continue;
    least = s.seconds;
    kept.push(s);
  }
  return kept;
}
