/**
 * TensorFlow itself, through the Node-API binding of @tensorflow/tfjs-node: the user's own copy, or the one that
 * `llmp doctor --fix` compiled. Only the binding is loaded: tfjs-node's JavaScript would add kernels to the registry that
 * all of TensorFlow.js in this process shares, and fails on Node 23 and later.
 */
import { copyFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { isMainThread, threadId } from "node:worker_threads";
import { ComposedAlgebra } from "../../program/index.js";
import { cannotStart } from "./failure.js";
import { findBinding } from "./installed.js";
import { type NativeBinding, TensorflowPrimitives } from "./tensorflow-primitives.js";
import type { Backend } from "./types.js";

/** The addon has one TensorFlow for all who load the same file: each worker thread loads a copy, gone once it is loaded. */
function load(path: string): NativeBinding {
  const require = createRequire(import.meta.url);
  if (isMainThread) return require(path) as NativeBinding;
  // Beside the original, from where it finds its libraries.
  const copy = path.replace(/\.node$/, `.${process.pid}-${threadId}.node`);
  copyFileSync(path, copy);
  try {
    return require(copy) as NativeBinding;
  } finally {
    rmSync(copy, { force: true });
  }
}

export async function startTensorflow(name: "tensorflow" | "tensorflow-gpu"): Promise<Backend> {
  const path = findBinding(name);
  const fix = name === "tensorflow" ? "llmp doctor --fix" : "llmp doctor --fix gpu";
  if (path === undefined) throw cannotStart(name, "it is not installed", [fix]);
  process.env.TF_CPP_MIN_LOG_LEVEL ??= "2";
  let binding: NativeBinding;
  try {
    binding = load(path);
  } catch (error) {
    throw cannotStart(name, error instanceof Error ? error.message.split("\n")[0]! : String(error), [fix]);
  }
  const algebra = new ComposedAlgebra(new TensorflowPrimitives(binding));
  return { name, algebra, meter: algebra.meter };
}
