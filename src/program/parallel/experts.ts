/** Tokens on their way to the ranks that have their experts, and back: rows sorted by expert on both sides. */
import type { LayerRouting } from "../ops/route.js";
import { evenSplit, type RankGroup } from "./types.js";

const sum = (counts: Int32Array): number => counts.reduce((a, b) => a + b, 0);

/** Tells the others how many rows come for each of their experts; from now on the layer's counts are those of the rows here. */
export function announce(layer: LayerRouting, group: RankGroup): void {
  const route = layer.route!;
  const sent = route.counts;
  const bounds = evenSplit(sent.length, group.size);
  const own = group.allToAll(bounds.slice(1).map((end, i) => Float32Array.from(sent.subarray(bounds[i], end))));
  const received = own.map((counts) => Int32Array.from(counts));
  const counts = new Int32Array(sent.length);
  for (const part of received)
    part.forEach((n, i) => {
      const expert = bounds[group.index]! + i;
      counts[expert] = counts[expert]! + n;
    });
  layer.exchange = { sent, received };
  layer.route = { ...route, counts };
}

/** Blocks of rows of this rank's experts: for each expert those of each source, and where they lie in the source's part. */
function* blocks(received: readonly Int32Array[]): Generator<{ source: number; first: number; rows: number }> {
  const next = received.map(() => 0);
  for (let expert = 0; expert < received[0]!.length; expert++)
    for (const [source, counts] of received.entries()) {
      const rows = counts[expert]!;
      yield { source, first: next[source]!, rows };
      next[source] = next[source]! + rows;
    }
}

/** Never without a row: kernels take no empty matrix. */
export function toExperts(x: Float32Array, width: number, layer: LayerRouting, group: RankGroup): Float32Array {
  const { sent, received } = layer.exchange!;
  const bounds = evenSplit(sent.length, group.size);
  let at = 0;
  const parts = bounds.slice(1).map((end, i) => {
    const size = sum(sent.subarray(bounds[i], end)) * width;
    at += size;
    return x.slice(at - size, at);
  });
  const got = group.allToAll(parts);
  const total = received.reduce((n, counts) => n + sum(counts), 0);
  const out = new Float32Array(Math.max(1, total) * width);
  let row = 0;
  for (const { source, first, rows } of blocks(received)) {
    out.set(got[source]!.subarray(first * width, (first + rows) * width), row * width);
    row += rows;
  }
  return out;
}

export function fromExperts(y: Float32Array, width: number, layer: LayerRouting, group: RankGroup): Float32Array {
  const { received } = layer.exchange!;
  const parts = received.map((counts) => new Float32Array(sum(counts) * width));
  let row = 0;
  for (const { source, first, rows } of blocks(received)) {
    parts[source]!.set(y.subarray(row * width, (row + rows) * width), first * width);
    row += rows;
  }
  const back = group.allToAll(parts);
  // Slots without room keep their rows, which are the last.
  const out = new Float32Array(layer.route!.rowOf.length * width);
  let at = 0;
  for (const part of back) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
