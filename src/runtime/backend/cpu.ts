/** Plain JavaScript: slow, but everywhere and easy to check. */
import { ComposedAlgebra } from "../../program/index.js";
import { cannotStart } from "./failure.js";
import { TfjsPrimitives } from "./tfjs-primitives.js";
import type { Backend } from "./types.js";

export async function startCpu(): Promise<Backend> {
  const tf = await import("@tensorflow/tfjs-core");
  await import("@tensorflow/tfjs-backend-cpu");
  if (!(await tf.setBackend("cpu"))) throw cannotStart("cpu", "TensorFlow.js could not load it");
  const algebra = new ComposedAlgebra(new TfjsPrimitives(tf, "cpu"));
  return { name: "cpu", algebra, meter: algebra.meter };
}
