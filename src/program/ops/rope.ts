import type { Op } from "../../model/graph.js";
import type { Algebra, RopeSpec } from "../algebra.js";
import { latentRope } from "./latent.js";
import { flag, num, type OpContext, type OpProgram } from "./types.js";

export const rotaryDim = (op: Op): number => {
  const dim = num(op, "headDim") - num(op, "start");
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
    // DeepSeek pairs neighbours.
    interleaved: flag(op, "interleaved", flag(op, "latent")),
  };
  const { cos, sin } = c.rope(op);
  return algebra.rope(x, cos, sin, c.positions, spec, sign);
}

const widthOf = <T>(algebra: Algebra<T>, x: T): number =>
  algebra
    .shape(x)
    .slice(1)
    .reduce((a, b) => a * b, 1);

const latent = latentRope(turn);

/** Rotates each of its inputs (queries, keys, or both); linear, so its backward only rotates back. */
export const rope: OpProgram = {
  internals: () => 0,
  needs: (op) => (flag(op, "latent") ? latent.needs(op) : { inputs: [], outputs: [] }),
  forward(c, op, inputs) {
    if (flag(op, "latent")) return latent.forward(c, op, inputs);
    return { outputs: inputs.map((x) => turn(c, op, x, 1)), internals: [] };
  },
  backward(c, op, saved, gradients) {
    if (flag(op, "latent")) return latent.backward(c, op, saved, gradients);
    return gradients.map((g) => turn(c, op, g, -1));
  },
};
