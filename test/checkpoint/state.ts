import type { TrainingState } from "../../src/runtime/interfaces.js";

/** A state that is a function of its step, so that a mixture of two is noticed. */
export function stateOf(step: number, size = 100_000): TrainingState {
  const fill = (salt: number) => fillWith(size, (i) => ((i * salt + step * 7919) % 65_521) / 7);
  return {
    step,
    tokens: step * 1024,
    scalars: { lossScale: 2 ** (step % 16), rng: `state-${step}`, skipped: step % 2 === 0 },
    tensors: [
      { name: "weight/a", shape: [size / 100, 100], values: fill(1) },
      { name: "adamw.m/a", shape: [size / 100, 100], values: fill(2) },
      { name: "empty", shape: [0], values: new Float32Array() },
    ],
  };
}

function fillWith(size: number, value: (i: number) => number): Float32Array {
  const out = new Float32Array(size);
  for (let i = 0; i < size; i++) out[i] = value(i);
  return out;
}
