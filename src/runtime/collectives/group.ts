/**
 * Collectives over a group of ranks. Sums run in rank order on whichever rank owns the part, so the result is the same
 * bits on every rank and in every run. Volumes per rank are those of the bandwidth-optimal algorithms: (n − 1)/n of the
 * data for all-gather, reduce-scatter and all-to-all, twice that for all-reduce.
 */
import type { Channel, Payload } from "./channel.js";

export type ReduceOp = "sum" | "max";

export interface Group {
  readonly size: number;
  /** Position of this rank in the group. */
  readonly index: number;
  readonly ranks: readonly number[];
  /** Sum (or maximum) over the group of arrays of one length. */
  allReduce(x: Float32Array, op?: ReduceOp): Float32Array;
  /** Element ranges `bounds[i]..bounds[i+1]` go to member i; equal parts (the last ones shorter) by default. */
  reduceScatter(x: Float32Array, bounds?: readonly number[]): Float32Array;
  /** Concatenation in group order; lengths may differ. */
  allGather(x: Float32Array): Float32Array;
  /** Part i goes to member i; the result holds what each member sent here. */
  allToAll(parts: readonly Float32Array[]): Float32Array[];
  broadcast(x: Float32Array, root: number): Float32Array;
  barrier(): void;
}

/** Even split of `length` into `parts`: the first `length mod parts` get one element more. */
export function evenBounds(length: number, parts: number): number[] {
  const base = Math.floor(length / parts);
  const extra = length % parts;
  return Array.from({ length: parts + 1 }, (_, i) => i * base + Math.min(i, extra));
}

function accumulate(into: Float32Array, x: Float32Array, op: ReduceOp): void {
  if (op === "sum") for (let i = 0; i < into.length; i++) into[i] = (into[i] as number) + (x[i] as number);
  else for (let i = 0; i < into.length; i++) into[i] = Math.max(into[i] as number, x[i] as number);
}

const floats = (payload: Payload): Float32Array => payload as Float32Array;

function concat(parts: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** `tag` separates groups that share a pair of ranks; every member makes the same calls in the same order. */
export function makeGroup(channel: Channel, ranks: readonly number[], tag: number): Group {
  const index = ranks.indexOf(channel.rank);
  if (index < 0) throw new Error(`rank ${channel.rank} is not in group [${ranks.join(", ")}]`);
  const size = ranks.length;

  const exchange = (parts: readonly Float32Array[]): Float32Array[] => {
    for (let step = 1; step < size; step++) {
      const to = (index + step) % size;
      channel.send(ranks[to] as number, tag, parts[to] as Float32Array);
    }
    return ranks.map((rank, i) => (i === index ? (parts[i] as Float32Array) : floats(channel.receive(rank, tag))));
  };

  const reduceParts = (x: Float32Array, bounds: readonly number[], op: ReduceOp): Float32Array => {
    const received = exchange(ranks.map((_, i) => x.subarray(bounds[i], bounds[i + 1])));
    const out = (received[0] as Float32Array).slice();
    for (const part of received.slice(1)) accumulate(out, part, op);
    return out;
  };

  const gather = (x: Float32Array): Float32Array => concat(exchange(ranks.map(() => x)));

  return {
    size,
    index,
    ranks,
    allReduce: (x, op = "sum") => (size === 1 ? x.slice() : gather(reduceParts(x, evenBounds(x.length, size), op))),
    reduceScatter: (x, bounds = evenBounds(x.length, size)) => (size === 1 ? x.slice() : reduceParts(x, bounds, "sum")),
    allGather: (x) => (size === 1 ? x.slice() : gather(x)),
    allToAll: (parts) => {
      if (parts.length !== size) throw new Error(`all-to-all of ${parts.length} parts in a group of ${size}`);
      return exchange(parts).map((p) => p.slice());
    },
    broadcast: (x, root) => {
      if (size === 1) return x.slice();
      if (index === root) {
        for (const rank of ranks) if (rank !== channel.rank) channel.send(rank, tag, x);
        return x.slice();
      }
      return floats(channel.receive(ranks[root] as number, tag));
    },
    barrier: () => {
      if (size > 1) exchange(ranks.map(() => new Float32Array(0)));
    },
  };
}
