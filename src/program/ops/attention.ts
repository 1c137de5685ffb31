import type { Op } from "../../model/graph.js";
import type { AttentionSpec } from "../algebra.js";
import { flag, num, type OpProgram } from "./types.js";

/** Keys may be more than the rows, which are then the last ones. */
function spec(op: Op, sequences: number, length: number, keys: number): AttentionSpec {
  const dim = num(op, "headDim");
  return {
    batch: sequences,
    rows: length,
    keys,
    heads: num(op, "heads"),
    kvHeads: num(op, "kvHeads", num(op, "heads")),
    dim,
    valueDim: num(op, "valueDim", dim),
    scale: num(op, "scale", 1 / Math.sqrt(dim)),
    cap: num(op, "softcap"),
    causal: flag(op, "causal", true),
    window: num(op, "window"),
  };
}

/** softmax(q kᵀ · scale) v per head; scores are recomputed in the backward from the log-sum-exp. */
export const attention: OpProgram = {
  internals: () => 1,
  needs: () => ({ inputs: [0, 1, 2], outputs: [0] }),
  forward({ algebra, sequences, length, segments, cache }, op, [q, k, v]) {
    const all = cache?.extend(op, k!, v!) ?? { k: k!, v: v! };
    const keys = algebra.shape(all.k)[0]! / sequences;
    const { o, lse } = algebra.attention(q!, all.k, all.v, segments, spec(op, sequences, length, keys));
    return { outputs: [o], internals: [lse] };
  },
  backward({ algebra, sequences, length, segments }, op, { inputs: [q, k, v], outputs: [o], internals: [lse] }, [dy]) {
    return algebra.attentionBackward(
      q!,
      k!,
      v!,
      o!,
      lse!,
      dy!,
      segments,
      spec(op, sequences, length, algebra.shape(k!)[0]! / sequences),
    );
  },
};
