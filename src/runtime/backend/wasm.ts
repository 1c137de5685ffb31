import type { Tensor, TensorInfo } from "@tensorflow/tfjs-core";
import { Meter } from "../../program/index.js";
import { loadKernels, tryHeap } from "../kernels/index.js";
import { cannotStart } from "./failure.js";
import type { Backend } from "./types.js";
import { WasmAlgebra } from "./wasm-algebra.js";
import { type WasmBackend, WasmMemory } from "./wasm-memory.js";

export async function startWasm(): Promise<Backend> {
  // TensorFlow.js would not say what it lacked.
  try {
    tryHeap();
  } catch {
    throw cannotStart("wasm", "there is no room for its heap", [
      "it takes about 10 GiB of address space (not of memory): raise `ulimit -v`, or the job's limit of virtual memory",
    ]);
  }
  const tf = await import("@tensorflow/tfjs-core");
  await import("@tensorflow/tfjs-backend-wasm");
  if (!(await tf.setBackend("wasm"))) throw cannotStart("wasm", "TensorFlow.js could not load it");
  const engine = tf.engine();
  const kernelBackend = tf.backend();
  const backend = kernelBackend as unknown as WasmBackend & { readonly wasm: { readonly asm: { memory: object } } };
  const kernels = loadKernels(backend.wasm.asm.memory);
  const meter = new Meter();
  const track = (info: TensorInfo): Tensor => engine.makeTensorFromTensorInfo(info, kernelBackend);
  const memory = new WasmMemory(backend, track, kernels.gemmScratchBytes());
  return { name: "wasm", algebra: new WasmAlgebra(memory, kernels, meter), meter };
}
