import { flag, type OpProgram } from "./types.js";

/** y = x · Wᵀ (+ b), W [out, in] as Hugging Face stores it; `transposed`: W [in, out] (GPT-2's Conv1D). */
export const linear: OpProgram = {
  internals: () => 0,
  needs: () => ({ inputs: [0], outputs: [] }),
  forward({ algebra, weight }, op, [x]) {
    const y = algebra.matmul(x!, weight(op.weights[0]!), false, !flag(op, "transposed"));
    if (op.weights[1] !== undefined) algebra.addBias(y, weight(op.weights[1]));
    return { outputs: [y], internals: [] };
  },
  backward({ algebra, weight, gradient }, op, saved, [dy]) {
    const [w, b] = op.weights;
    const dw = gradient(w!);
    const db = b === undefined ? undefined : gradient(b);
    if (dw !== undefined) {
      if (flag(op, "transposed")) algebra.matmulInto(dw, saved.inputs[0]!, dy!, true, false);
      else algebra.matmulInto(dw, dy!, saved.inputs[0]!, true, false);
    }
    if (db !== undefined) algebra.sumRowsInto(db, dy!);
    return [algebra.matmul(dy!, weight(w!), false, flag(op, "transposed"))];
  },
};
