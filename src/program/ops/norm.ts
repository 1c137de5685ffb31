import type { Op } from "../../model/graph.js";
import type { Algebra, NormSpec } from "../algebra.js";
import { flag, num, type OpProgram } from "./types.js";

const centred = (op: Op): boolean =>
  op.attrs.norm === "layernorm" || op.attrs.kind === "layernorm" || flag(op, "centre");
const spec = (op: Op): NormSpec => ({ centre: centred(op), eps: num(op, "eps", 1e-5), offset: num(op, "offset") });

/** The first columns of each row. */
function columns<T>(algebra: Algebra<T>, x: T, width: number): T {
  const [rows, all] = algebra.shape(x) as [number, number];
  const [part] = algebra.loop([x], [[rows, width]], { elements: 2 * rows * width }, ([from], [to]) => {
    for (let r = 0; r < rows; r++) to!.set(from!.subarray(r * all, r * all + width), r * width);
  });
  return part!;
}

/** Zeros behind each row. */
function widened<T>(algebra: Algebra<T>, x: T, all: number): T {
  const [rows, width] = algebra.shape(x) as [number, number];
  const [wide] = algebra.loop([x], [[rows, all]], { elements: 2 * rows * all }, ([from], [to]) => {
    for (let r = 0; r < rows; r++) to!.set(from!.subarray(r * width, (r + 1) * width), r * all);
  });
  return wide!;
}

/** RMSNorm or LayerNorm over the last `dim` features (a head's, for per-head query and key norms). */
export const norm: OpProgram = {
  internals: (op) => (centred(op) ? 2 : 1),
  needs: () => ({ inputs: [0], outputs: [] }),
  forward(context, op, [x]) {
    const { algebra, weight } = context;
    const width = num(op, "width");
    if (width > 0 && width < algebra.shape(x!)[1]!) {
      const part = columns(algebra, x!, width);
      const result = norm.forward(context, op, [part]);
      algebra.free(part);
      return result;
    }
    const [w, b] = op.weights.map((name) => weight(name));
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
  backward(context, op, saved, [dy]) {
    const { algebra, weight, gradient } = context;
    const [w, b] = op.weights;
    const x = saved.inputs[0]!;
    const width = num(op, "width");
    if (width > 0 && width < algebra.shape(x)[1]!) {
      const part = columns(algebra, x, width);
      const [d] = norm.backward(context, op, { ...saved, inputs: [part] }, [dy!]);
      algebra.free(part);
      const whole = widened(algebra, d!, algebra.shape(x)[1]!);
      algebra.free(d!);
      return [whole];
    }
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
