import type { Op } from "../../model/graph.js";
import { fillMask, type Noise } from "../noise.js";
import { evenSplit } from "../parallel/types.js";
import { num, type OpContext, type OpProgram } from "./types.js";

/** Of the rows that this op sees: all tokens, this rank's share of them, or rows that are not tokens (an expert's). */
function rowsOf<T>({ links }: OpContext<T>, { key, rows }: Noise, count: number): Noise {
  if (count === rows.length) return { key, rows };
  if (links === undefined) return { key, rows: Int32Array.from({ length: count }, (_, i) => (rows[0] ?? 0) + i) };
  const bounds = evenSplit(rows.length, links.tensor.size);
  return { key, rows: rows.subarray(bounds[links.tensor.index]!, bounds[links.tensor.index + 1]!) };
}

function masked<T>(context: OpContext<T>, op: Op, x: T): T {
  const { algebra, noise } = context;
  const shape = algebra.shape(x);
  const size = shape.reduce((a, b) => a * b, 1);
  const own = rowsOf(context, noise!, shape[0]!);
  const [mask] = algebra.loop([], [shape], { elements: 2 * size, exponentials: size }, (_, [out]) =>
    fillMask(out!, own, op.id, num(op, "rate")),
  );
  const y = algebra.multiply(x, mask!);
  algebra.free(mask!);
  return y;
}

/** The mask is made again in the backward, so nothing is kept for it. Without noise (evaluation, generation) it does nothing. */
export const dropout: OpProgram = {
  internals: () => 0,
  needs: () => ({ inputs: [], outputs: [] }),
  forward: (c, op, [x]) => ({
    outputs: [c.noise === undefined ? c.algebra.share(x!) : masked(c, op, x!)],
    internals: [],
  }),
  backward: (c, op, _saved, [dy]) => [c.noise === undefined ? c.algebra.scale(dy!, 1) : masked(c, op, dy!)],
};
