/** WebGPU: TensorFlow.js's backend on Dawn, in a thread of its own, as `llmp doctor --fix webgpu` installs them. */
import { MessageChannel, Worker } from "node:worker_threads";
import { runCodes } from "../../diagnostics/index.js";
import { ComposedAlgebra } from "../../program/index.js";
import { besideBundle } from "../beside-bundle.js";
import { RunFailure } from "../failure.js";
import { cannotStart } from "./failure.js";
import { installFolder, readInstalled } from "./installed.js";
import type { RemoteStart, Started } from "./remote.js";
import { RemotePrimitives } from "./remote-primitives.js";
import type { Backend } from "./types.js";
import { noAdapter, webgpuDrivers } from "./webgpu-adapter.js";

const stopped = (why: string): RunFailure =>
  new RunFailure(runCodes.report("LLMP6008", undefined, { backend: "webgpu", why }));

/** @param program the thread's file; the one beside this bundle unless given */
export async function startWebgpu(program?: string): Promise<Backend> {
  if (readInstalled("webgpu") === undefined)
    throw cannotStart("webgpu", "it is not installed", ["llmp doctor --fix webgpu"]);
  const state = new SharedArrayBuffer(4);
  const { port1, port2 } = new MessageChannel();
  const data: RemoteStart = { folder: installFolder("webgpu"), state, port: port2 };
  const worker = new Worker(program ?? besideBundle("webgpu-worker.js"), { workerData: data, transferList: [port2] });
  const started = await new Promise<Started>((resolve) => {
    worker.once("message", resolve);
    worker.once("error", (error) => resolve({ failure: error.message.split("\n")[0]! }));
    worker.once("exit", () => resolve({ failure: "its thread has ended" }));
  });
  if (started !== "ready") {
    await worker.terminate();
    throw cannotStart("webgpu", started.failure, started.failure === noAdapter ? webgpuDrivers : []);
  }
  // It does not keep the process alive.
  worker.unref();
  port1.unref();
  const algebra = new ComposedAlgebra(new RemotePrimitives(port1, state, stopped));
  return { name: "webgpu", algebra, meter: algebra.meter };
}
