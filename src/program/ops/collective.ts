import type { Op } from "../../model/graph.js";
import { besides, columns } from "../parallel/blocks.js";
import { announce, fromExperts, toExperts } from "../parallel/experts.js";
import { evenSplit, type RankGroup } from "../parallel/types.js";
import type { OpContext, OpProgram } from "./types.js";

interface Matrix {
  readonly values: Float32Array;
  readonly rows: number;
  readonly width: number;
}
type Move = (x: Matrix, group: RankGroup, sequences: number) => Matrix;

const rowsOf = (values: Float32Array, width: number): Matrix => ({ values, rows: values.length / width, width });

/** Keys come sequence by sequence: [sequences, length, width] of each rank ↔ [sequences, up to the own last token, width]. */
const gatherKeys: Move = ({ values, rows, width }, group, sequences) => {
  const all = group.allGather(values);
  const size = (rows / sequences) * width;
  const seen = group.index + 1;
  const out = new Float32Array(sequences * seen * size);
  for (let s = 0; s < sequences; s++)
    for (let part = 0; part < seen; part++) {
      const from = (part * sequences + s) * size;
      out.set(all.subarray(from, from + size), (s * seen + part) * size);
    }
  return rowsOf(out, width);
};
const scatterKeys: Move = ({ values, rows, width }, group, sequences) => {
  const seen = group.index + 1;
  const size = (rows / sequences / seen) * width;
  const all = new Float32Array(group.size * sequences * size);
  for (let s = 0; s < sequences; s++)
    for (let part = 0; part < seen; part++) {
      const from = (s * seen + part) * size;
      all.set(values.subarray(from, from + size), (part * sequences + s) * size);
    }
  const bounds = evenSplit(group.size, group.size).map((i) => i * sequences * size);
  return rowsOf(group.reduceScatter(all, bounds), width);
};

const columnBounds = (part: number, group: RankGroup): number[] =>
  Array.from({ length: group.size + 1 }, (_, i) => i * part);

/** The moves of program/parallel/local.ts, on values in host memory. */
const moves: Readonly<Record<string, Move>> = {
  sum: (x, group) => ({ ...x, values: group.allReduce(x.values) }),
  gatherRows: ({ values, width }, group) => rowsOf(group.allGather(values), width),
  scatterRows: ({ values, rows, width }, group) =>
    rowsOf(
      group.reduceScatter(
        values,
        evenSplit(rows, group.size).map((r) => r * width),
      ),
      width,
    ),
  sliceRows: ({ values, rows, width }, group) => {
    const bounds = evenSplit(rows, group.size);
    return rowsOf(values.slice(bounds[group.index]! * width, bounds[group.index + 1]! * width), width);
  },
  gatherColumns: ({ values, rows, width }, group) =>
    rowsOf(besides(group.allGather(values), rows, columnBounds(width, group)), width * group.size),
  scatterColumns: ({ values, rows, width }, group) => {
    const part = width / group.size;
    const blocks = new Float32Array(values.length);
    for (let i = 0; i < group.size; i++) blocks.set(columns(values, width, i * part, (i + 1) * part), i * rows * part);
    return rowsOf(group.reduceScatter(blocks, columnBounds(rows * part, group)), part);
  },
  sliceColumns: ({ values, width }, group) => {
    const part = width / group.size;
    return rowsOf(columns(values, width, group.index * part, (group.index + 1) * part), part);
  },
  gatherKeys,
  scatterKeys,
};

/** Backwards take the way that the forward announced. */
function exchange<T>({ algebra, links, routing }: OpContext<T>, x: T, name: unknown, forward: boolean): T {
  const { layer } = routing!;
  const group = links!.expert;
  const width = algebra.shape(x)[1]!;
  if (forward && name === "toExperts") announce(layer, group);
  const way = name === "toExperts" ? toExperts : fromExperts;
  const values = way(algebra.read(x), width, layer, group);
  return algebra.floats(values, [values.length / width, width]);
}

function move<T>(context: OpContext<T>, op: Op, x: T, name: unknown, forward: boolean): T {
  const { algebra, links, sequences } = context;
  if (name === "identity") return algebra.share(x);
  if (op.attrs.axis === "expert") return exchange(context, x, name, forward);
  const group = op.attrs.axis === "context" ? links!.context : links!.tensor;
  const shape = algebra.shape(x);
  const width = shape.slice(1).reduce((a, b) => a * b, 1);
  const moved = moves[String(name)]!({ values: algebra.read(x), rows: shape[0]!, width }, group, sequences);
  return algebra.floats(moved.values, [moved.rows, moved.width]);
}

/** Between ranks: what the layout of a rank's graph (program/parallel) puts between two ops. A bias is added after a sum. */
export const collective: OpProgram = {
  internals: () => 0,
  needs: () => ({ inputs: [], outputs: [] }),
  forward(context, op, [x]) {
    const y = move(context, op, x!, op.attrs.forward, true);
    const [bias] = op.weights;
    if (bias !== undefined) context.algebra.addBias(y, context.weight(bias));
    return { outputs: [y], internals: [] };
  },
  backward(context, op, _saved, [dy]) {
    const [bias] = op.weights;
    const db = bias === undefined ? undefined : context.gradient(bias);
    if (db !== undefined) context.algebra.sumRowsInto(db, dy!);
    return [move(context, op, dy!, op.attrs.backward, false)];
  },
};
