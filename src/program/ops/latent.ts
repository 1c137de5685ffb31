/** DeepSeek's latent attention: keys of a part per head and one rotary part for all heads, values beside them. */
import type { Op } from "../../model/graph.js";
import { num, type OpContext, type OpProgram } from "./types.js";

const sizes = (op: Op) => {
  const [dim, nope, value] = [num(op, "headDim"), num(op, "start"), num(op, "valueDim")];
  return { dim, nope, value, rotary: dim - nope };
};

/** Inputs: queries, per-head keys and values, and the compressed row with the rotary key at its end. */
export const latentRope = (turn: <T>(c: OpContext<T>, op: Op, x: T, sign: 1 | -1) => T): OpProgram => ({
  internals: () => 0,
  needs: () => ({ inputs: [2], outputs: [] }),
  forward(c, op, [q, kv, low]) {
    const { algebra } = c;
    const { dim, nope, value, rotary } = sizes(op);
    const [tokens, width] = algebra.shape(q!) as [number, number];
    const heads = width / dim;
    const lowWidth = algebra.shape(low!)[1]!;
    const shapes = [
      [tokens, heads * dim],
      [tokens, heads * value],
    ];
    const cost = { elements: 2 * tokens * heads * (dim + value) };
    const [k, v] = algebra.loop([kv!, low!], shapes, cost, ([both, row], [keys, values]) => {
      for (let t = 0; t < tokens; t++)
        for (let h = 0; h < heads; h++) {
          const from = (t * heads + h) * (nope + value);
          const to = (t * heads + h) * dim;
          keys!.set(both!.subarray(from, from + nope), to);
          keys!.set(row!.subarray((t + 1) * lowWidth - rotary, (t + 1) * lowWidth), to + nope);
          values!.set(both!.subarray(from + nope, from + nope + value), (t * heads + h) * value);
        }
    });
    const outputs = [turn(c, op, q!, 1), turn(c, op, k!, 1), v!];
    algebra.free(k!);
    return { outputs, internals: [] };
  },
  backward(c, op, { inputs: [, , low] }, [dq, dk, dv]) {
    const { algebra } = c;
    const { dim, nope, value, rotary } = sizes(op);
    const [tokens, width] = algebra.shape(dq!) as [number, number];
    const heads = width / dim;
    const lowShape = algebra.shape(low!) as [number, number];
    const keys = turn(c, op, dk!, -1);
    const shapes = [[tokens, heads * (nope + value)], lowShape];
    const cost = { elements: 2 * tokens * heads * (dim + value) };
    const [dkv, dLow] = algebra.loop([keys, dv!], shapes, cost, ([k, v], [both, row]) => {
      for (let t = 0; t < tokens; t++)
        for (let h = 0; h < heads; h++) {
          const to = (t * heads + h) * (nope + value);
          const from = (t * heads + h) * dim;
          both!.set(k!.subarray(from, from + nope), to);
          both!.set(v!.subarray((t * heads + h) * value, (t * heads + h + 1) * value), to + nope);
          const end = (t + 1) * lowShape[1] - rotary;
          for (let j = 0; j < rotary; j++) row![end + j] = row![end + j]! + k![from + nope + j]!;
        }
    });
    algebra.free(keys);
    return [turn(c, op, dq!, -1), dkv, dLow];
  },
});
