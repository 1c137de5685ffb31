/** `Primitives.loop` for libraries whose tensors are read and made whole. */
import type { LoopWork, Primitives } from "../../program/index.js";

export function hostLoop<P>(
  on: Pick<Primitives<P>, "floats" | "ints">,
  inputs: readonly { readonly values: Float32Array | Int32Array; readonly shape: readonly number[] }[],
  shapes: readonly (readonly number[])[],
  work: LoopWork,
  written: readonly number[],
): readonly P[] {
  const outputs = shapes.map((shape) => new Float32Array(shape.reduce((a, b) => a * b, 1)));
  work(
    inputs.map((x) => x.values),
    outputs,
  );
  const put = (values: Float32Array | Int32Array, shape: readonly number[]): P =>
    values instanceof Int32Array ? on.ints(values, shape) : on.floats(values, shape);
  return [
    ...outputs.map((values, i) => put(values, shapes[i]!)),
    ...written.map((i) => put(inputs[i]!.values, inputs[i]!.shape)),
  ];
}
