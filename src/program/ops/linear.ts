import type { Op } from "../../model/graph.js";
import { type Operand, operand } from "../fp8.js";
import { flag, type OpContext, type OpProgram, withWeight } from "./types.js";

type Factor<T> = readonly [x: T, kind: Operand, along: 0 | 1];

/** A product of two matrices, in 8 bits where the stage says so. The router's is never (DeepSeek-V3, section 3.3.1). */
function product<T, R>(
  { algebra, fp8, scaling }: OpContext<T>,
  op: Op,
  [a, kindA, alongA]: Factor<T>,
  [b, kindB, alongB]: Factor<T>,
  multiply: (a: T, b: T) => R,
): R {
  if (fp8 === undefined || op.kind !== "linear") return multiply(a, b);
  const small = [
    operand(algebra, fp8, a, kindA, alongA, scaling?.(op, kindA)),
    operand(algebra, fp8, b, kindB, alongB, scaling?.(op, kindB)),
  ] as const;
  const result = multiply(...small);
  for (const t of small) algebra.free(t);
  return result;
}

/** y = x · Wᵀ (+ b), W [out, in] as Hugging Face stores it; `transposed`: W [in, out] (GPT-2's Conv1D). */
export const linear: OpProgram = {
  internals: () => 0,
  needs: () => ({ inputs: [0], outputs: [] }),
  forward(context, op, [x]) {
    const { algebra, weight } = context;
    const along = flag(op, "transposed") ? 0 : 1;
    const y = withWeight(context, op.weights[0]!, (w) =>
      product(context, op, [x!, "input", 1], [w, "weight", along], (a, b) => algebra.matmul(a, b, false, along === 1)),
    );
    if (op.weights[1] !== undefined) algebra.addBias(y, weight(op.weights[1]));
    return { outputs: [y], internals: [] };
  },
  backward(context, op, saved, [dy]) {
    const { algebra, gradient } = context;
    const [w, b] = op.weights;
    const dw = gradient(w!);
    const db = b === undefined ? undefined : gradient(b);
    const transposed = flag(op, "transposed");
    if (dw !== undefined)
      product(context, op, [saved.inputs[0]!, "input", 0], [dy!, "gradient", 0], (x, d) => {
        if (transposed) algebra.matmulInto(dw, x, d, true, false);
        else algebra.matmulInto(dw, d, x, true, false);
      });
    if (db !== undefined) algebra.sumRowsInto(db, dy!);
    const along = transposed ? 1 : 0;
    const dx = withWeight(context, w!, (whole) =>
      product(context, op, [dy!, "gradient", 1], [whole, "weight", along], (d, m) =>
        algebra.matmul(d, m, false, transposed),
      ),
    );
    return [dx];
  },
};
