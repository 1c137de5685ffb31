/**
 * Tokens of a dataset on disk, made once: `tokens.bin` (little-endian, as narrow as the vocabulary allows), `ends.bin`
 * (float64 end of each sequence in tokens), `mask.bin` (a byte a token, where anything is masked), `answers.bin` +
 * `answer_ends.bin`, `meta.json`. A folder is complete or absent: it is written under another name, synced and renamed.
 */
import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { DataFile, Fault, Sample, SampleKind } from "./types.js";

export const cacheVersion = 2;

export interface CacheMeta {
  readonly version: typeof cacheVersion;
  readonly dataset: string;
  readonly kind: SampleKind;
  /** Format `text`: a document is a file, so held-out data is cut from each file's end. */
  readonly wholeFiles: boolean;
  readonly width: 1 | 2 | 4;
  readonly documents: number;
  readonly sequencesPerDocument: 1 | 2;
  readonly tokens: number;
  readonly trained: number;
  readonly maxId: number;
  readonly longest: number;
  readonly bytes: number;
  readonly rows: number;
  readonly faults: number;
  readonly firstFaults: readonly Fault[];
  readonly hasMask: boolean;
  readonly hasAnswers: boolean;
}

export function cacheKey(files: readonly DataFile[], parts: readonly unknown[]): string {
  const hash = createHash("sha256").update(JSON.stringify([cacheVersion, ...parts]));
  for (const file of files) hash.update(`\n${file.path}\t${file.size}\t${file.stamp}`);
  return hash.digest("hex").slice(0, 16);
}

/** Fits the write buffer at the widest token. */
const blockTokens = 1 << 15;

/** A file written through one buffer. */
class Appender {
  readonly #fd: number;
  readonly #buffer = Buffer.alloc(1 << 18);
  #at = 0;

  constructor(path: string) {
    this.#fd = openSync(path, "w");
  }

  reserve(bytes: number): { readonly buffer: Buffer; readonly at: number } {
    if (this.#at + bytes > this.#buffer.length) this.#flush();
    const at = this.#at;
    this.#at += bytes;
    return { buffer: this.#buffer, at };
  }

  bytes(data: Uint8Array): void {
    this.#flush();
    writeAll(this.#fd, data);
  }

  #flush(): void {
    writeAll(this.#fd, this.#buffer.subarray(0, this.#at));
    this.#at = 0;
  }

  close(): void {
    this.#flush();
    fsyncSync(this.#fd);
    closeSync(this.#fd);
  }
}

export function writeAll(fd: number, data: Uint8Array): void {
  for (let at = 0; at < data.length; ) at += writeSync(fd, data, at, data.length - at);
}

export interface CacheShape {
  readonly dataset: string;
  readonly kind: SampleKind;
  readonly wholeFiles: boolean;
  readonly vocab: number;
}

/** Takes samples one after the other and publishes the folder at the end. */
export class CacheWriter {
  readonly #temporary: string;
  readonly #width: 1 | 2 | 4;
  readonly #tokens: Appender;
  readonly #ends: Appender;
  readonly #mask: Appender | undefined;
  readonly #answers: Appender | undefined;
  readonly #answerEnds: Appender | undefined;
  #count = 0;
  #trained = 0;
  #maxId = -1;
  #documents = 0;
  #longest = 0;
  #current = 0;
  #answerBytes = 0;
  #open = true;

  constructor(
    readonly folder: string,
    readonly shape: CacheShape,
  ) {
    this.#temporary = `${folder}.${process.pid}.${Date.now().toString(36)}.partial`;
    mkdirSync(this.#temporary, { recursive: true });
    this.#width = shape.vocab <= 256 ? 1 : shape.vocab <= 65_536 ? 2 : 4;
    const file = (name: string) => new Appender(join(this.#temporary, name));
    this.#tokens = file("tokens.bin");
    this.#ends = file("ends.bin");
    this.#mask = shape.kind === "completion" || shape.kind === "preference" ? file("mask.bin") : undefined;
    this.#answers = shape.kind === "prompts" ? file("answers.bin") : undefined;
    this.#answerEnds = shape.kind === "prompts" ? file("answer_ends.bin") : undefined;
  }

  /** Part of a document: several calls make one, then `endSequence`. */
  append(ids: ArrayLike<number>, mask?: ArrayLike<number>): void {
    const width = this.#width;
    let maxId = this.#maxId;
    // In blocks: one reservation for many tokens.
    for (let start = 0; start < ids.length; start += blockTokens) {
      const end = Math.min(ids.length, start + blockTokens);
      const { buffer, at } = this.#tokens.reserve((end - start) * width);
      for (let i = start, o = at; i < end; i++, o += width) {
        const id = ids[i] as number;
        if (id > maxId) maxId = id;
        buffer[o] = id & 0xff;
        if (width === 1) continue;
        buffer[o + 1] = (id >>> 8) & 0xff;
        if (width === 4) {
          buffer[o + 2] = (id >>> 16) & 0xff;
          buffer[o + 3] = id >>> 24;
        }
      }
      if (this.#mask === undefined) continue;
      const place = this.#mask.reserve(end - start);
      for (let i = start; i < end; i++)
        place.buffer[place.at + i - start] = mask === undefined ? 1 : (mask[i] as number);
    }
    this.#maxId = maxId;
    if (mask === undefined) this.#trained += ids.length;
    else for (let i = 0; i < ids.length; i++) this.#trained += mask[i] as number;
    this.#count += ids.length;
    this.#current += ids.length;
  }

  endSequence(): void {
    const { buffer, at } = this.#ends.reserve(8);
    buffer.writeDoubleLE(this.#count, at);
    this.#longest = Math.max(this.#longest, this.#current);
    this.#current = 0;
  }

  sample(sample: Sample): void {
    for (const { ids, mask } of sample.sequences) {
      this.append(ids, mask);
      this.endSequence();
    }
    if (this.#answers !== undefined && this.#answerEnds !== undefined) {
      const bytes = Buffer.from(sample.answer ?? "", "utf8");
      this.#answers.bytes(bytes);
      this.#answerBytes += bytes.length;
      const { buffer, at } = this.#answerEnds.reserve(8);
      buffer.writeDoubleLE(this.#answerBytes, at);
    }
    this.#documents++;
  }

  /** A document given by `append` and `endSequence` alone. */
  endDocument(): void {
    this.endSequence();
    this.#documents++;
  }

  finish(counts: { bytes: number; rows: number; faults: number; firstFaults: readonly Fault[] }): CacheMeta {
    this.#close();
    const meta: CacheMeta = {
      version: cacheVersion,
      dataset: this.shape.dataset,
      kind: this.shape.kind,
      wholeFiles: this.shape.wholeFiles,
      width: this.#width,
      documents: this.#documents,
      sequencesPerDocument: this.shape.kind === "preference" ? 2 : 1,
      tokens: this.#count,
      trained: this.#trained,
      maxId: this.#maxId,
      longest: this.#longest,
      hasMask: this.#mask !== undefined,
      hasAnswers: this.#answers !== undefined,
      ...counts,
    };
    writeFileSync(join(this.#temporary, "meta.json"), `${JSON.stringify(meta, null, 2)}\n`, { flush: true });
    if (readMeta(this.folder) === undefined) rmSync(this.folder, { recursive: true, force: true });
    try {
      renameSync(this.#temporary, this.folder);
    } catch (error) {
      // Another process was faster with the same content.
      if (readMeta(this.folder) === undefined) throw error;
      rmSync(this.#temporary, { recursive: true, force: true });
    }
    return meta;
  }

  abandon(): void {
    this.#close();
    rmSync(this.#temporary, { recursive: true, force: true });
  }

  #close(): void {
    if (!this.#open) return;
    this.#open = false;
    for (const file of [this.#tokens, this.#ends, this.#mask, this.#answers, this.#answerEnds]) file?.close();
  }
}

/** The metadata of a complete cache of this version, else undefined. */
export function readMeta(folder: string): CacheMeta | undefined {
  const path = join(folder, "meta.json");
  if (!existsSync(path)) return undefined;
  try {
    const meta = JSON.parse(readFileSync(path, "utf8")) as CacheMeta;
    if (meta.version !== cacheVersion) return undefined;
    const size = (name: string) => statSync(join(folder, name)).size;
    const whole =
      size("tokens.bin") === meta.tokens * meta.width &&
      size("ends.bin") === meta.documents * meta.sequencesPerDocument * 8 &&
      (!meta.hasMask || size("mask.bin") === meta.tokens);
    return whole ? meta : undefined;
  } catch {
    return undefined;
  }
}

/** Reads ranges of a cache; nothing but the ends of sequences is held in memory. */
export class TokenStore {
  readonly #tokens: number;
  readonly #mask: number | undefined;
  readonly ends: Float64Array;
  readonly #answers: { readonly fd: number; readonly ends: Float64Array } | undefined;

  constructor(
    readonly folder: string,
    readonly meta: CacheMeta,
  ) {
    this.#tokens = openSync(join(folder, "tokens.bin"), "r");
    this.#mask = meta.hasMask ? openSync(join(folder, "mask.bin"), "r") : undefined;
    this.ends = doubles(join(folder, "ends.bin"));
    this.#answers = meta.hasAnswers
      ? { fd: openSync(join(folder, "answers.bin"), "r"), ends: doubles(join(folder, "answer_ends.bin")) }
      : undefined;
  }

  /** Tokens `[start, end)` into `out` from `at`. */
  read(start: number, end: number, out: Int32Array, at: number): void {
    const { width } = this.meta;
    const bytes = readAt(this.#tokens, start * width, (end - start) * width);
    for (let i = 0; i < end - start; i++)
      out[at + i] =
        width === 1 ? (bytes[i] as number) : width === 2 ? bytes.readUInt16LE(i * 2) : bytes.readUInt32LE(i * 4);
  }

  mask(start: number, end: number): Uint8Array | undefined {
    return this.#mask === undefined ? undefined : readAt(this.#mask, start, end - start);
  }

  answer(document: number): string {
    if (this.#answers === undefined) return "";
    const start = document === 0 ? 0 : (this.#answers.ends[document - 1] as number);
    return readAt(this.#answers.fd, start, (this.#answers.ends[document] as number) - start).toString("utf8");
  }

  close(): void {
    for (const fd of [this.#tokens, this.#mask, this.#answers?.fd]) if (fd !== undefined) closeSync(fd);
  }
}

function readAt(fd: number, position: number, length: number): Buffer {
  const out = Buffer.alloc(length);
  for (let at = 0; at < length; ) {
    const got = readSync(fd, out, at, length - at, position + at);
    if (got === 0) throw new Error(`token cache ends at byte ${fstatSync(fd).size}, wanted ${position + length}`);
    at += got;
  }
  return out;
}

function doubles(path: string): Float64Array {
  const bytes = readFileSync(path);
  return new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}
