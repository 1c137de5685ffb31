/** Chooses and starts a backend. Libraries load only when their backend is asked for. */
import { runCodes } from "../../diagnostics/index.js";
import type { Algebra } from "../../program/index.js";
import { fail } from "../failure.js";
import { loadKernels } from "../kernels/index.js";
import { Meter } from "./meter.js";
import { WasmAlgebra } from "./wasm-algebra.js";
import { type WasmBackend, WasmMemory } from "./wasm-memory.js";

export { wasmHeapBytes } from "./wasm-memory.js";

/** A tensor of whichever backend. */
export interface Handle {
  readonly shape: readonly number[];
}

export interface Backend {
  readonly name: string;
  readonly algebra: Algebra<Handle>;
  readonly meter: Meter;
}

let started: Promise<Backend> | undefined;

/** @param name best available unless given */
export async function startBackend(name: string | undefined): Promise<Backend> {
  if (name !== undefined && name !== "wasm")
    fail(
      runCodes.report(
        "LLMP6002",
        undefined,
        { backend: name, why: "this version trains on the WASM backend only" },
        { hints: ["--backend wasm"] },
      ),
    );
  started ??= startWasm();
  return started;
}

async function startWasm(): Promise<Backend> {
  const tf = await import("@tensorflow/tfjs-core");
  await import("@tensorflow/tfjs-backend-wasm");
  if (!(await tf.setBackend("wasm")))
    fail(runCodes.report("LLMP6002", undefined, { backend: "wasm", why: "TensorFlow.js could not load it" }));
  const engine = tf.engine();
  const backend = tf.backend() as unknown as WasmBackend & { readonly wasm: { readonly asm: { memory: object } } };
  const kernels = loadKernels(backend.wasm.asm.memory);
  const meter = new Meter();
  const memory = new WasmMemory(backend, (info) => engine.makeTensorFromTensorInfo(info), kernels.gemmScratchBytes());
  return { name: "wasm", algebra: new WasmAlgebra(memory, kernels, meter), meter };
}
