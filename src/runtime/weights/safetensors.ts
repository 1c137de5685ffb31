/**
 * The safetensors format: 8 bytes of header length, a JSON header, then the tensors' bytes without gaps
 * (https://github.com/huggingface/safetensors). Every claim of a header is checked before anything is read by it.
 */
import { closeSync, fstatSync, fsyncSync, openSync, readSync, renameSync, rmSync } from "node:fs";
import { runCodes } from "../../diagnostics/index.js";
import { writeAll } from "../data/index.js";
import { fail } from "../failure.js";
import { elementSize, fromFloat32, toFloat32 } from "./dtype.js";

export interface TensorEntry {
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Bytes from the start of the data. */
  readonly start: number;
  readonly end: number;
}

/** The reference implementation's own limit. */
export const longestHeader = 100_000_000;

export interface Header {
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Checks a header against the bytes that follow it. @throws Error in plain words. */
export function parseHeader(text: string, dataLength: number): Header {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new Error(`its header is not JSON: ${(error as Error).message}`);
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) throw new Error("its header is not an object");
  const tensors = new Map<string, TensorEntry>();
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(json)) {
    if (name === "__metadata__") {
      if (typeof value !== "object" || value === null || !Object.values(value).every((v) => typeof v === "string"))
        throw new Error("its metadata is not text");
      metadata = value as Record<string, string>;
      continue;
    }
    tensors.set(name, entryOf(name, value, dataLength));
  }
  let at = 0;
  for (const [name, entry] of [...tensors].sort((a, b) => a[1].start - b[1].start || a[1].end - b[1].end)) {
    if (entry.start !== at)
      throw new Error(`tensor ${name} ${entry.start < at ? "overlaps the one before" : "leaves a gap before it"}`);
    at = entry.end;
  }
  if (at !== dataLength) throw new Error(`it has ${dataLength} bytes of data where its header describes ${at}`);
  return { tensors, metadata };
}

function entryOf(name: string, value: unknown, dataLength: number): TensorEntry {
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>;
  const whole = (n: unknown): n is number => typeof n === "number" && Number.isSafeInteger(n) && n >= 0;
  const size = typeof dtype === "string" ? elementSize[dtype] : undefined;
  if (typeof dtype !== "string" || size === undefined)
    throw new Error(`tensor ${name} has the unknown type ${String(dtype)}`);
  if (!Array.isArray(shape) || !shape.every(whole)) throw new Error(`tensor ${name} has no valid shape`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(whole))
    throw new Error(`tensor ${name} has no valid offsets`);
  const [start, end] = offsets as [number, number];
  const bytes = shape.reduce((product: number, dim) => product * (dim as number), size);
  if (end > dataLength) throw new Error(`tensor ${name} ends at byte ${end} of ${dataLength}: the file is cut short`);
  if (end - start !== bytes) throw new Error(`tensor ${name} has ${end - start} bytes, and its shape needs ${bytes}`);
  return { dtype, shape: shape as number[], start, end };
}

/** An open file: tensors are read one by one. */
export class SafetensorsFile {
  readonly header: Header;
  readonly #fd: number;
  readonly #data: number;

  constructor(readonly path: string) {
    try {
      this.#fd = openSync(path, "r");
    } catch (error) {
      fail(runCodes.report("LLMP6203", undefined, { path, why: (error as Error).message }));
    }
    try {
      const size = fstatSync(this.#fd).size;
      if (size < 8) throw new Error("it is shorter than a header");
      const length = Number(this.#bytes(0, 8).readBigUInt64LE());
      if (length > longestHeader) throw new Error(`its header claims ${length} bytes`);
      if (8 + length > size) throw new Error(`its header claims ${length} bytes of ${size}`);
      const text = new TextDecoder("utf-8", { fatal: true }).decode(this.#bytes(8, length));
      this.header = parseHeader(text, size - 8 - length);
      this.#data = 8 + length;
    } catch (error) {
      closeSync(this.#fd);
      fail(runCodes.report("LLMP6201", undefined, { path, why: (error as Error).message }));
    }
  }

  get names(): readonly string[] {
    return [...this.header.tensors.keys()];
  }

  raw(name: string): Uint8Array | undefined {
    const entry = this.header.tensors.get(name);
    return entry === undefined ? undefined : this.#bytes(this.#data + entry.start, entry.end - entry.start);
  }

  float32(name: string): { readonly shape: readonly number[]; readonly values: Float32Array } | undefined {
    const entry = this.header.tensors.get(name);
    const bytes = this.raw(name);
    if (entry === undefined || bytes === undefined) return undefined;
    return { shape: entry.shape, values: toFloat32(entry.dtype, bytes) as Float32Array };
  }

  close(): void {
    closeSync(this.#fd);
  }

  #bytes(position: number, length: number): Buffer {
    const out = Buffer.allocUnsafeSlow(length);
    for (let at = 0; at < length; ) {
      const got = readSync(this.#fd, out, at, Math.min(length - at, 1 << 30), position + at);
      if (got === 0) throw new Error("the file ends too early");
      at += got;
    }
    return out;
  }
}

export interface OutTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: "F32" | "BF16" | "F16";
  /** Called once, in order: only one tensor's bytes exist at a time. */
  readonly values: () => Float32Array;
}

/** Header bytes for these tensors in this order, padded with spaces so that data starts at a multiple of 8. */
export function headerBytes(tensors: readonly OutTensor[], metadata: Readonly<Record<string, string>>): Buffer {
  let at = 0;
  const entries = tensors.map(({ name, shape, dtype }) => {
    const start = at;
    at += shape.reduce((product, dim) => product * dim, elementSize[dtype] as number);
    return [name, { dtype, shape, data_offsets: [start, at] }] as const;
  });
  const json = Buffer.from(JSON.stringify({ __metadata__: metadata, ...Object.fromEntries(entries) }), "utf8");
  const padded = Buffer.alloc(Math.ceil(json.length / 8) * 8, 0x20);
  json.copy(padded);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  return Buffer.concat([length, padded]);
}

/** Writes a file whole or not at all: under another name, synced, renamed. `onBytes` sees all of it (for checksums). */
export function writeSafetensors(
  path: string,
  tensors: readonly OutTensor[],
  metadata: Readonly<Record<string, string>> = { format: "pt" },
  onBytes: (bytes: Uint8Array) => void = () => {},
): void {
  const temporary = `${path}.${process.pid}.partial`;
  const fd = openSync(temporary, "w");
  try {
    const put = (bytes: Uint8Array) => {
      writeAll(fd, bytes);
      onBytes(bytes);
    };
    put(headerBytes(tensors, metadata));
    for (const tensor of tensors) {
      const values = tensor.values();
      const count = tensor.shape.reduce((product, dim) => product * dim, 1);
      if (values.length !== count)
        throw new Error(`${tensor.name}: ${values.length} values for shape [${tensor.shape}]`);
      put(fromFloat32(tensor.dtype, values));
    }
    fsyncSync(fd);
  } catch (error) {
    closeSync(fd);
    rmSync(temporary, { force: true });
    throw error;
  }
  closeSync(fd);
  renameSync(temporary, path);
}
