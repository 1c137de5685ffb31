/** The heap of tfjs-backend-wasm: pointers of tensors, and the guard that tfjs lacks. */
import type { Tensor, TensorInfo } from "@tensorflow/tfjs-core";
import { runCodes } from "../../diagnostics/index.js";
import { formatBytes } from "../../units/index.js";
import { RunFailure } from "../failure.js";

/** What we use of BackendWasm's insides (4.22.0). */
export interface WasmBackend {
  readonly wasm: { readonly HEAPU8: Uint8Array; _malloc(bytes: number): number; _free(pointer: number): void };
  readonly dataIdMap: { get(id: object): { readonly memoryOffset: number } | undefined };
  refCount(id: object): number;
  incRef(id: object): void;
  makeOutput(shape: number[], dtype: string): TensorInfo;
}

/** 4 GiB − 64 KiB. At the limit malloc gives 0 and tfjs would go on, overwriting the bottom of its memory. */
export const wasmHeapBytes = 4_294_901_760;

export class WasmMemory {
  readonly gemmScratch: number;
  constructor(
    private readonly backend: WasmBackend,
    private readonly track: (info: TensorInfo) => Tensor,
    scratchBytes: number,
  ) {
    this.gemmScratch = backend.wasm._malloc(scratchBytes) >>> 0;
    if (this.gemmScratch === 0) throw full(scratchBytes);
  }
  allocate(shape: readonly number[], dtype: "float32" | "int32"): Tensor {
    const bytes = 4 * shape.reduce((a, b) => a * b, 1);
    // Above 2 GiB in one piece tfjs-wasm aborts, which nothing can undo.
    if (bytes > 2 ** 31 - 1) throw full(bytes);
    const info = this.backend.makeOutput([...shape], dtype);
    const tensor = this.track(info);
    if (bytes > 0 && this.backend.dataIdMap.get(info.dataId)?.memoryOffset === 0) throw full(bytes);
    return tensor;
  }
  /** Another tensor on the same data. (clone() copies on this backend.) */
  alias(x: Tensor, shape: readonly number[]): Tensor {
    this.backend.incRef(x.dataId);
    return this.track({ dataId: x.dataId, shape: [...shape], dtype: x.dtype });
  }
  references(x: TensorInfo): number {
    return this.backend.refCount(x.dataId);
  }
  pointer(x: TensorInfo): number {
    return this.backend.dataIdMap.get(x.dataId)!.memoryOffset;
  }
  floats(x: Tensor): Float32Array {
    return new Float32Array(this.backend.wasm.HEAPU8.buffer, this.pointer(x), x.size);
  }
  ints(x: Tensor): Int32Array {
    return new Int32Array(this.backend.wasm.HEAPU8.buffer, this.pointer(x), x.size);
  }
  copy(to: number, from: number, bytes: number): void {
    this.backend.wasm.HEAPU8.copyWithin(to, from, from + bytes);
  }
}

const full = (bytes: number): RunFailure =>
  new RunFailure(
    runCodes.report(
      "LLMP6001",
      undefined,
      { bytes: formatBytes(bytes) },
      { hints: ["a smaller micro-batch or more recomputation"] },
    ),
  );
