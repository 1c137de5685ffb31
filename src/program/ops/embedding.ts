import type { Op } from "../../model/graph.js";
import type { OpContext, OpProgram } from "./types.js";

/** Token ids, positions, or (the first row is said) ids among the rows that this rank has. */
const ids = <T>(c: OpContext<T>, op: Op): T =>
  op.attrs.firstRow !== undefined
    ? c.vocabPart!.ids
    : op.inputs[0] === "positions" || op.attrs.source === "positions"
      ? c.positions
      : c.tokens;

/** Zeros where another rank has the token's row. */
function blank<T>({ algebra, vocabPart }: OpContext<T>, op: Op, y: T): T {
  if (op.attrs.firstRow === undefined || vocabPart!.elsewhere.length === 0) return y;
  const zero = algebra.zeros([1, algebra.shape(y)[1]!]);
  for (const row of vocabPart!.elsewhere) algebra.putRows(y, zero, row);
  algebra.free(zero);
  return y;
}

/** Rows of a table, by token id or (learned positions) by position. */
export const embedding: OpProgram = {
  internals: () => 0,
  needs: () => ({ inputs: [], outputs: [] }),
  forward: (c, op) => ({
    outputs: [blank(c, op, c.algebra.embedding(c.weight(op.weights[0]!), ids(c, op)))],
    internals: [],
  }),
  backward(c, op, _saved, [dy]) {
    const dw = c.gradient(op.weights[0]!);
    if (dw === undefined) return [undefined];
    const own = op.attrs.firstRow === undefined ? dy! : blank(c, op, c.algebra.scale(dy!, 1));
    c.algebra.embeddingBackwardInto(dw, ids(c, op), own);
    if (own !== dy) c.algebra.free(own);
    return [undefined];
  },
};
