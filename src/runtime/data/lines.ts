import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { Decompress } from "fzstd";
import type { DataFile } from "./types.js";

/** Bytes of a file, decompressed by its ending (`.gz`, `.zst`). */
export function contents(file: DataFile): AsyncIterable<Uint8Array> {
  if (file.path.endsWith(".gz")) {
    const source = Readable.from(file.stream());
    const gunzip = createGunzip();
    source.on("error", (error) => gunzip.destroy(error));
    return source.pipe(gunzip);
  }
  return file.path.endsWith(".zst") ? zstd(file.stream()) : file.stream();
}

async function* zstd(source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  let ready: Uint8Array[] = [];
  const stream = new Decompress((chunk) => {
    if (chunk.length > 0) ready.push(chunk);
  });
  for await (const chunk of source) {
    stream.push(chunk);
    yield* ready;
    ready = [];
  }
  stream.push(new Uint8Array(), true);
  yield* ready;
}

export interface Line {
  /** From 1. */
  readonly number: number;
  readonly bytes: Uint8Array;
}

/** A line longer than this is a fault, not a reason to run out of memory. */
export const longestLine = 256 << 20;

/** Lines without their ends; a `\r` before the `\n` is dropped, and a byte order mark. */
export async function* lines(source: AsyncIterable<Uint8Array>): AsyncIterable<Line> {
  let number = 1;
  let held: Uint8Array[] = [];
  let heldSize = 0;
  const take = (tail: Uint8Array): Uint8Array => {
    let bytes = held.length === 0 ? tail : Buffer.concat([...held, tail]);
    held = [];
    heldSize = 0;
    if (number === 1 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) bytes = bytes.subarray(3);
    return bytes[bytes.length - 1] === 13 ? bytes.subarray(0, -1) : bytes;
  };
  for await (const chunk of source) {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      yield { number, bytes: take(chunk.subarray(start, end)) };
      number++;
      start = end + 1;
    }
    if (start < chunk.length) {
      held.push(chunk.subarray(start));
      heldSize += chunk.length - start;
      if (heldSize > longestLine) throw new Error(`line ${number} is longer than ${longestLine >> 20} MiB`);
    }
  }
  if (heldSize > 0) yield { number, bytes: take(new Uint8Array()) };
}

/**
 * Text in pieces of about `size` bytes, cut after a newline where there is one (else between characters), so that files
 * larger than memory can be encoded. Invalid UTF-8 throws.
 */
export async function* textPieces(source: AsyncIterable<Uint8Array>, size = 1 << 16): AsyncIterable<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let held = "";
  for await (const chunk of source) {
    held += decoder.decode(chunk, { stream: true });
    if (held.length < size) continue;
    let cut = held.lastIndexOf("\n") + 1;
    if (cut === 0) cut = held.length > 64 * size ? held.length - 1 : 0;
    const code = held.charCodeAt(cut - 1);
    if (code >= 0xd800 && code < 0xdc00) cut--;
    if (cut > 0) yield held.slice(0, cut);
    held = held.slice(cut);
  }
  held += decoder.decode();
  if (held.length > 0) yield held;
}
