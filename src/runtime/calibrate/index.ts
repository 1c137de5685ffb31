/** Measures this machine for the planner's model of our runtime, and keeps the figures in the user's cache folder. */

import { mkdirSync, readFileSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { join } from "node:path";
import { writeWhole } from "../../files/index.js";
import type { LocalMachine } from "../../planner/types.js";
import { type Backend, cacheFolder, startBackend, wasmHeapBytes } from "../backend/index.js";

const file = (): string => join(cacheFolder(), "machine.json");

/** Undefined before the first `llmp doctor --calibrate`. */
export function readMachine(): LocalMachine | undefined {
  try {
    return JSON.parse(readFileSync(file(), "utf8")) as LocalMachine;
  } catch {
    return undefined;
  }
}

/** Median seconds of one call. */
function seconds(work: () => void): number {
  work();
  const times = Array.from({ length: 7 }, () => {
    const began = performance.now();
    work();
    return (performance.now() - began) / 1000;
  });
  return times.sort((a, b) => a - b)[3]!;
}

export async function calibrate(): Promise<LocalMachine> {
  const { algebra }: Backend = await startBackend("wasm");
  const x = algebra.floats(new Float32Array(2048 * 384).fill(0.5), [2048, 384]);
  const w = algebra.floats(new Float32Array(1536 * 384).fill(0.25), [1536, 384]);
  const one = algebra.floats(new Float32Array(4), [4]);
  const gemm = seconds(() => algebra.free(algebra.matmul(x, w, false, true)));
  const launch = seconds(() => {
    for (let i = 0; i < 500; i++) algebra.free(algebra.add(one, one));
  });
  const add = seconds(() => algebra.free(algebra.add(x, x)));
  const silu = seconds(() => algebra.free(algebra.activation("silu", x)));
  for (const t of [x, w, one]) algebra.free(t);
  const elements = 2048 * 384;
  const bandwidth = (3 * 4 * elements) / add;
  const machine: LocalMachine = {
    backend: "wasm",
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    heapBytes: wasmHeapBytes,
    matmulFlops: (2 * 2048 * 384 * 1536) / gemm,
    elementwiseBandwidth: bandwidth,
    kernelLaunchSeconds: launch / 500,
    constants: { transcendentals: elements / Math.max(1e-9, silu - (2 * 4 * elements) / bandwidth) },
    calibrated: true,
  };
  mkdirSync(cacheFolder(), { recursive: true });
  writeWhole(file(), `${JSON.stringify(machine, null, 2)}\n`);
  return machine;
}
