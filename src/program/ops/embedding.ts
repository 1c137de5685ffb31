import type { Op } from "../../model/graph.js";
import type { OpContext, OpProgram } from "./types.js";

const ids = <T>(c: OpContext<T>, op: Op): T =>
  op.inputs[0] === "positions" || op.attrs.source === "positions" ? c.positions : c.tokens;

/** Rows of a table, by token id or (learned positions) by position. */
export const embedding: OpProgram = {
  internals: () => 0,
  needs: () => ({ inputs: [], outputs: [] }),
  forward: (c, op) => ({ outputs: [c.algebra.embedding(c.weight(op.weights[0]!), ids(c, op))], internals: [] }),
  backward(c, op, _saved, [dy]) {
    const dw = c.gradient(op.weights[0]!);
    if (dw !== undefined) c.algebra.embeddingBackwardInto(dw, ids(c, op), dy!);
    return [undefined];
  },
};
