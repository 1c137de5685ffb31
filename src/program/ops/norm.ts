import type { Op } from "../../model/graph.js";
import type { NormSpec } from "../algebra.js";
import { flag, num, type OpProgram } from "./types.js";

const centred = (op: Op): boolean =>
  op.attrs.norm === "layernorm" || op.attrs.kind === "layernorm" || flag(op, "centre");
const spec = (op: Op): NormSpec => ({ centre: centred(op), eps: num(op, "eps", 1e-5), offset: num(op, "offset") });

/** RMSNorm or LayerNorm over the last `dim` features (a head's, for per-head query and key norms). */
export const norm: OpProgram = {
  internals: (op) => (centred(op) ? 2 : 1),
  needs: () => ({ inputs: [0], outputs: [] }),
  forward({ algebra, weight }, op, [x]) {
    const [w, b] = op.weights.map(weight);
    const shape = algebra.shape(x!);
    const dim = w === undefined ? shape.at(-1)! : algebra.shape(w)[0]!;
    const rows = shape.reduce((p, n) => p * n, 1) / dim;
    const flat = algebra.view(x!, [rows, dim]);
    const { y, mean, rstd } = algebra.norm(flat, w, b, spec(op));
    algebra.free(flat);
    const out = algebra.view(y, shape);
    algebra.free(y);
    return { outputs: [out], internals: mean === undefined ? [rstd] : [rstd, mean] };
  },
  backward({ algebra, weight, gradient }, op, saved, [dy]) {
    const [w, b] = op.weights;
    const x = saved.inputs[0]!;
    const shape = algebra.shape(x);
    const weights = w === undefined ? undefined : weight(w);
    const dim = weights === undefined ? shape.at(-1)! : algebra.shape(weights)[0]!;
    const flat = [shape.reduce((p, n) => p * n, 1) / dim, dim];
    const xFlat = algebra.view(x, flat);
    const dyFlat = algebra.view(dy!, flat);
    const [rstd, mean] = saved.internals;
    const dx = algebra.normBackward(
      dyFlat,
      xFlat,
      weights,
      { rstd: rstd!, mean },
      w === undefined ? undefined : gradient(w),
      b === undefined ? undefined : gradient(b),
      spec(op),
    );
    algebra.free(xFlat);
    algebra.free(dyFlat);
    const result = algebra.view(dx, shape);
    algebra.free(dx);
    return [result];
  },
};
