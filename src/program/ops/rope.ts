import type { Op } from "../../model/graph.js";
import type { Algebra, RopeSpec } from "../algebra.js";
import { flag, num, type OpContext, type OpProgram } from "./types.js";

export const rotaryDim = (op: Op): number => {
  const dim = num(op, "headDim");
  return num(op, "rotary", 2 * Math.floor((dim * num(op, "fraction", 1)) / 2));
};

function turn<T>(c: OpContext<T>, op: Op, x: T, sign: 1 | -1): T {
  const { algebra } = c;
  const dim = num(op, "headDim");
  const spec: RopeSpec = {
    heads: widthOf(algebra, x) / dim,
    dim,
    start: num(op, "start"),
    rotary: rotaryDim(op),
    interleaved: flag(op, "interleaved"),
  };
  const { cos, sin } = c.rope(op);
  return algebra.rope(x, cos, sin, c.positions, spec, sign);
}

const widthOf = <T>(algebra: Algebra<T>, x: T): number =>
  algebra
    .shape(x)
    .slice(1)
    .reduce((a, b) => a * b, 1);

/** Rotates each of its inputs (queries, keys, or both); linear, so its backward only rotates back. */
export const rope: OpProgram = {
  internals: () => 0,
  needs: () => ({ inputs: [], outputs: [] }),
  forward(c, op, inputs) {
    return { outputs: inputs.map((x) => turn(c, op, x, 1)), internals: [] };
  },
  backward(c, op, _saved, gradients) {
    return gradients.map((g) => turn(c, op, g, -1));
  },
};
