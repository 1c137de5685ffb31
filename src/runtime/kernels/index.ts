/** Our WASM kernels (kernels/*.ts), instantiated on the memory of tfjs-backend-wasm. Pointers are byte offsets. */
import { kernelModule } from "./module.js";

type Kernel = (...args: number[]) => number;

const names = [
  "activation",
  "activationBackward",
  "adamw",
  "addBias",
  "addRows",
  "attention",
  "attentionBackward",
  "axpy",
  "batchedGemm",
  "crossEntropy",
  "gated",
  "gatedBackward",
  "gemm",
  "gemmScratchBytes",
  "largest",
  "norm",
  "normBackward",
  "product",
  "rope",
  "roundTo",
  "softcap",
  "softcapBackward",
  "sumOfSquares",
  "sumRows",
] as const;

export type KernelName = (typeof names)[number];
export type Kernels = Readonly<Record<KernelName, Kernel>>;

/** The part of the WebAssembly API that is used: Node has it, but its types come with the DOM's only. */
interface WebAssemblyApi {
  readonly Memory: new (pages: { readonly initial: number; readonly maximum: number }) => object;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: Readonly<Record<string, unknown>> };
}

const api = (globalThis as unknown as { readonly WebAssembly: WebAssemblyApi }).WebAssembly;

/** Throws where this process has no room for a heap that may grow to 4 GiB (V8 reserves 10 GiB of addresses for it). */
export const tryHeap = (): object => new api.Memory({ initial: 1, maximum: 65536 });

/** @param memory the WebAssembly.Memory of tfjs-backend-wasm */
export function loadKernels(memory: object): Kernels {
  const { exports } = new api.Instance(new api.Module(Buffer.from(kernelModule, "base64")), { env: { memory } });
  for (const name of names) if (typeof exports[name] !== "function") throw new Error(`kernel ${name} is missing`);
  return exports as unknown as Kernels;
}
