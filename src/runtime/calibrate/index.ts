/** Measures this machine for the planner's model of our runtime, and keeps the figures in the user's cache folder. */

import { mkdirSync, readFileSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { join } from "node:path";
import { writeWhole } from "../../files/index.js";
import type { LocalMachine } from "../../planner/types.js";
import { type Backend, type BackendName, cacheFolder, startBackend, wasmHeapBytes } from "../backend/index.js";
import { clockOf, secondsOf } from "./clock.js";
import { fit, type Probe } from "./fit.js";

export type { Probe } from "./fit.js";

const file = (): string => join(cacheFolder(), "machine.json");

type Machines = Partial<Record<BackendName, LocalMachine>>;

function readAll(): Machines {
  try {
    return JSON.parse(readFileSync(file(), "utf8")) as Machines;
  } catch {
    return {};
  }
}

/** Undefined before the first `llmp doctor --calibrate`. */
export const readMachine = (backend: BackendName): LocalMachine | undefined => readAll()[backend];

/** Rates of single operations. */
function rates({ algebra, name }: Backend): LocalMachine {
  const clock = clockOf(name);
  const seconds = (work: () => void): number => secondsOf(clock, work);
  // Activations of a small model; the plain CPU gets a sixteenth, to answer in seconds.
  const rows = name === "cpu" ? 128 : 2048;
  const x = algebra.floats(new Float32Array(rows * 384).fill(0.5), [rows, 384]);
  const w = algebra.floats(new Float32Array(1536 * 384).fill(0.25), [1536, 384]);
  const one = algebra.floats(new Float32Array(4), [4]);
  const gemm = seconds(() => algebra.free(algebra.matmul(x, w, false, true)));
  const launch = seconds(() => {
    for (let i = 0; i < 500; i++) algebra.free(algebra.multiply(one, one));
  });
  const product = seconds(() => algebra.free(algebra.multiply(x, x)));
  const tanh = seconds(() => algebra.free(algebra.softcap(x, 1)));
  const loop = seconds(() => {
    const [y] = algebra.loop([x], [[rows, 384]], { elements: 2 * rows * 384 }, ([from], [to]) => {
      for (let i = 0; i < from!.length; i++) to![i] = 2 * from![i]!;
    });
    algebra.free(y!);
  });
  for (const t of [x, w, one]) algebra.free(t);
  // Too large for any cache, as weights and gradients are.
  const large = new Float32Array(2 ** 24).fill(1);
  const copy = new Float32Array(large.length);
  const copied = seconds(() => copy.set(large));
  const elements = rows * 384;
  const bandwidth = (3 * 4 * elements) / product;
  const matmulFlops = (2 * rows * 384 * 1536) / gemm;
  return {
    backend: name,
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    heapBytes: name === "wasm" ? wasmHeapBytes : Math.max(0, totalmem() - 2 ** 30),
    matmulFlops,
    elementwiseBandwidth: bandwidth,
    kernelLaunchSeconds: launch / 500,
    constants: {
      transcendentals: elements / Math.max(elements / 1e10, tanh - (2 * 4 * elements) / bandwidth),
      // Steps tell: fit.ts.
      attentionFlops: matmulFlops,
      loopElements: (2 * elements) / loop,
      memoryBandwidth: (2 * 4 * large.length) / copied,
    },
    calibrated: true,
  };
}

/** @param probes small models, and shapes, whose steps the figures must explain */
export async function calibrate(backend: string, probes: readonly Probe[]): Promise<LocalMachine> {
  const started = await startBackend(backend);
  const machine = fit(started, rates(started), probes);
  mkdirSync(cacheFolder(), { recursive: true });
  writeWhole(file(), `${JSON.stringify({ ...readAll(), [started.name]: machine }, null, 2)}\n`);
  return machine;
}
