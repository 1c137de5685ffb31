/** Chooses and starts a backend. Libraries load only when their backend is asked for. */
import { nearest } from "../../diagnostics/index.js";
import { cannotStart } from "./failure.js";
import { bestBackend } from "./installed.js";
import { type Backend, type BackendName, backendNames } from "./types.js";

export { cacheFolder } from "./cache.js";
export {
  bestBackend,
  bindingFile,
  findBinding,
  type Installed,
  installFolder,
  isAvailable,
  readInstalled,
} from "./installed.js";
export { type Backend, type BackendName, backendNames, type Handle } from "./types.js";
export { wasmHeapBytes } from "./wasm-memory.js";
export { describeAdapter, type GpuAdapterInfo, noAdapter, webgpuDrivers } from "./webgpu-adapter.js";

const started = new Map<BackendName, Promise<Backend>>();

const starts: Readonly<Record<BackendName, () => Promise<Backend>>> = {
  "tensorflow-gpu": async () => (await import("./tensorflow.js")).startTensorflow("tensorflow-gpu"),
  tensorflow: async () => (await import("./tensorflow.js")).startTensorflow("tensorflow"),
  webgpu: async () => (await import("./webgpu.js")).startWebgpu(),
  wasm: async () => (await import("./wasm.js")).startWasm(),
  cpu: async () => (await import("./cpu.js")).startCpu(),
};

export const isBackend = (name: string | undefined): name is BackendName =>
  (backendNames as readonly (string | undefined)[]).includes(name);

/** @param name the best available unless given */
export async function startBackend(name: string = bestBackend()): Promise<Backend> {
  if (!isBackend(name)) {
    const close = nearest(name, backendNames);
    const hint = close === undefined ? `one of ${backendNames.join(", ")}` : `did you mean ${close}?`;
    throw cannotStart(name, "there is no backend of that name", [hint]);
  }
  const running = started.get(name) ?? starts[name]();
  started.set(name, running);
  return running;
}
