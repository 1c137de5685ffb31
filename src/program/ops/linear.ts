import { flag, type OpContext, type OpProgram } from "./types.js";

/** Uses a weight that may be stored in fewer bits. */
function withWeight<T, R>(context: OpContext<T>, name: string, use: (w: T) => R): R {
  const whole = context.unpacked?.(name);
  const result = use(whole ?? context.weight(name));
  if (whole !== undefined) context.algebra.free(whole);
  return result;
}

/** y = x · Wᵀ (+ b), W [out, in] as Hugging Face stores it; `transposed`: W [in, out] (GPT-2's Conv1D). */
export const linear: OpProgram = {
  internals: () => 0,
  needs: () => ({ inputs: [0], outputs: [] }),
  forward(context, op, [x]) {
    const { algebra, weight } = context;
    const y = withWeight(context, op.weights[0]!, (w) => algebra.matmul(x!, w, false, !flag(op, "transposed")));
    if (op.weights[1] !== undefined) algebra.addBias(y, weight(op.weights[1]));
    return { outputs: [y], internals: [] };
  },
  backward(context, op, saved, [dy]) {
    const { algebra, gradient } = context;
    const [w, b] = op.weights;
    const dw = gradient(w!);
    const db = b === undefined ? undefined : gradient(b);
    if (dw !== undefined) {
      if (flag(op, "transposed")) algebra.matmulInto(dw, saved.inputs[0]!, dy!, true, false);
      else algebra.matmulInto(dw, dy!, saved.inputs[0]!, true, false);
    }
    if (db !== undefined) algebra.sumRowsInto(db, dy!);
    return [withWeight(context, w!, (whole) => algebra.matmul(dy!, whole, false, flag(op, "transposed")))];
  },
};
