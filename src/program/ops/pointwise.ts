import type { Op } from "../../model/graph.js";
import type { ActivationKind } from "../algebra.js";
import { num, type OpProgram } from "./types.js";

const kind = (op: Op): ActivationKind => (op.attrs.activation ?? op.attrs.function ?? op.attrs.kind) as ActivationKind;

export const activation: OpProgram = {
  internals: () => 0,
  needs: () => ({ inputs: [0], outputs: [] }),
  forward: ({ algebra }, op, [x]) => ({ outputs: [algebra.activation(kind(op), x!)], internals: [] }),
  backward: ({ algebra }, op, saved, [dy]) => [algebra.activationBackward(kind(op), saved.inputs[0]!, dy!)],
};

/** activation(gate) · up */
export const gatedActivation: OpProgram = {
  internals: () => 0,
  needs: () => ({ inputs: [0, 1], outputs: [] }),
  forward: ({ algebra }, op, [gate, up]) => ({ outputs: [algebra.gated(kind(op), gate!, up!)], internals: [] }),
  backward: ({ algebra }, op, saved, [dy]) => algebra.gatedBackward(kind(op), saved.inputs[0]!, saved.inputs[1]!, dy!),
};

export const add: OpProgram = {
  internals: () => 0,
  needs: () => ({ inputs: [], outputs: [] }),
  forward: ({ algebra }, _op, [first, ...others]) => {
    const sum = algebra.add(first!, others[0]!);
    for (const x of others.slice(1)) algebra.addInto(sum, x);
    return { outputs: [sum], internals: [] };
  },
  backward: ({ algebra }, op, _saved, [dy]) => op.inputs.map(() => algebra.share(dy!)),
};

export const scale: OpProgram = {
  internals: () => 0,
  needs: () => ({ inputs: [], outputs: [] }),
  forward: ({ algebra }, op, [x]) => ({ outputs: [algebra.scale(x!, num(op, "factor", 1))], internals: [] }),
  backward: ({ algebra }, op, _saved, [dy]) => [algebra.scale(dy!, num(op, "factor", 1))],
};

export const softcap: OpProgram = {
  internals: () => 0,
  needs: () => ({ inputs: [], outputs: [0] }),
  forward: ({ algebra }, op, [x]) => ({ outputs: [algebra.softcap(x!, num(op, "cap"))], internals: [] }),
  backward: ({ algebra }, op, saved, [dy]) => [algebra.softcapBackward(saved.outputs[0]!, dy!, num(op, "cap"))],
};
