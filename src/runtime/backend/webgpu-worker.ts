/**
 * The thread that WebGPU lives in: Dawn's binding (`webgpu`) under TensorFlow.js's backend, both from the user's cache.
 * `RemotePrimitives` sends it calls; a failure is kept and told at the next read.
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parentPort, workerData } from "node:worker_threads";
import type * as tfjs from "@tensorflow/tfjs-core";
import { type Command, done, type Failed, failed, type RemoteStart, type Started } from "./remote.js";
import { TfjsPrimitives } from "./tfjs-primitives.js";
import { type Gpu, type GpuAdapter, noAdapter } from "./webgpu-adapter.js";

const { folder, state, port } = workerData as RemoteStart;
const word = new Int32Array(state);
const tensors = new Map<number, tfjs.Tensor>();
let failure: string | undefined;

const say = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split("\n")[0]!;
const tell = (result: number): void => {
  if (result === failed) port.postMessage({ failure: failure! } satisfies Failed);
  Atomics.store(word, 0, result);
  Atomics.notify(word, 0);
};

/** A graphics device that TensorFlow.js asks for as a browser's page would. */
async function start(): Promise<typeof tfjs> {
  const require = createRequire(join(folder, "package.json"));
  const dawn = (await import(pathToFileURL(require.resolve("webgpu")).href)) as {
    create(flags: readonly string[]): Gpu;
    globals: object;
  };
  Object.assign(globalThis, dawn.globals);
  const gpu = dawn.create([]);
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (adapter === null) throw new Error(noAdapter);
  watch(adapter);
  Object.defineProperty(globalThis, "navigator", {
    // Dawn's instance must stay reachable as long as its device.
    value: { gpu: { instance: gpu, requestAdapter: async () => adapter }, userAgent: "node" },
    configurable: true,
  });
  const tf = require("@tensorflow/tfjs-core") as typeof tfjs;
  require("@tensorflow/tfjs-backend-webgpu");
  if (!(await tf.setBackend("webgpu"))) throw new Error("TensorFlow.js could not load it");
  return tf;
}

/** What the device reports on its own (out of memory, a lost device) is a failure of what was asked last. */
function watch(adapter: GpuAdapter): void {
  const { requestDevice } = adapter;
  adapter.requestDevice = async (wanted) => {
    const device = await requestDevice.call(adapter, wanted);
    device.addEventListener("uncapturederror", ({ error }) => {
      failure ??= say(error);
    });
    void device.lost.then(({ reason, message }) => {
      failure ??= `the device was lost (${reason}): ${message}`;
    });
    return device;
  };
}

const isReference = (x: unknown): x is { readonly id: number } => typeof x === "object" && x !== null && "id" in x;
const resolved = (x: unknown): unknown => {
  if (isReference(x)) return tensors.get(x.id)!;
  return Array.isArray(x) && x.some(isReference) ? x.map(resolved) : x;
};

function run(primitives: TfjsPrimitives, commands: readonly Command[]): void {
  for (const command of commands) {
    if ("read" in command) void read(command.read, command.into);
    else if (failure === undefined) {
      try {
        const method = primitives[command.method as "dispose"] as unknown as (...args: unknown[]) => tfjs.Tensor;
        const result = method.apply(primitives, command.args.map(resolved));
        if (command.result !== undefined) tensors.set(command.result, result);
        else tensors.delete((command.args[0] as { readonly id: number }).id);
      } catch (error) {
        failure = say(error);
      }
    }
  }
}

async function read(id: number, into: SharedArrayBuffer): Promise<void> {
  try {
    const values = failure === undefined ? await tensors.get(id)!.data<"float32" | "int32">() : undefined;
    if (failure !== undefined || values === undefined) return tell(failed);
    new Uint8Array(into).set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    tell(done);
  } catch (error) {
    failure ??= say(error);
    tell(failed);
  }
}

// Whoever sleeps must wake, whatever ends this thread.
process.on("exit", () => {
  Atomics.store(word, 0, failed);
  Atomics.notify(word, 0);
});

try {
  const primitives = new TfjsPrimitives(await start(), "webgpu");
  port.on("message", (commands: readonly Command[]) => run(primitives, commands));
  parentPort!.postMessage("ready" satisfies Started);
} catch (error) {
  parentPort!.postMessage({ failure: say(error) } satisfies Started);
}
