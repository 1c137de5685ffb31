/**
 * TensorBoard event files: TFRecord framing (length, masked CRC-32C of it, data, masked CRC-32C of the data) around
 * `tensorflow.Event` messages with scalar summaries (event.proto, summary.proto of TensorFlow 2).
 */
import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";

const crcTable = Uint32Array.from({ length: 256 }, (_, i) => {
  let c = i;
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1;
  return c >>> 0;
});

/** CRC-32C (Castagnoli). */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crcTable[(crc ^ byte) & 0xff] as number) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

const masked = (bytes: Uint8Array): number => {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
};

export function record(data: Uint8Array): Buffer {
  const out = Buffer.alloc(16 + data.length);
  out.writeBigUInt64LE(BigInt(data.length), 0);
  out.writeUInt32LE(masked(out.subarray(0, 8)), 8);
  out.set(data, 12);
  out.writeUInt32LE(masked(data), 12 + data.length);
  return out;
}

function varint(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  while (rest >= 128) {
    out.push((rest % 128) | 128);
    rest = Math.floor(rest / 128);
  }
  out.push(rest);
  return out;
}

const field = (number: number, wire: number, body: Iterable<number>): number[] => [
  ...varint(number * 8 + wire),
  ...body,
];
const bytesField = (number: number, body: readonly number[]): number[] =>
  field(number, 2, [...varint(body.length), ...body]);
const textField = (number: number, text: string): number[] => bytesField(number, [...Buffer.from(text, "utf8")]);
const doubleField = (number: number, value: number): number[] => {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return field(number, 1, bytes);
};
const floatField = (number: number, value: number): number[] => {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return field(number, 5, bytes);
};

/** `Event { wall_time = 1, step = 2, summary = 5 { value = 1 { tag = 1, simple_value = 2 } } }` */
export function scalarEvent(wallSeconds: number, step: number, scalars: Readonly<Record<string, number>>): Buffer {
  const values = Object.entries(scalars).flatMap(([tag, value]) =>
    bytesField(1, [...textField(1, tag), ...floatField(2, value)]),
  );
  return Buffer.from([...doubleField(1, wallSeconds), ...field(2, 0, varint(step)), ...bytesField(5, values)]);
}

export class EventWriter {
  readonly #fd: number;
  readonly path: string;

  constructor(folder: string, now: () => number = Date.now) {
    mkdirSync(folder, { recursive: true });
    const seconds = now() / 1000;
    this.path = join(folder, `events.out.tfevents.${Math.floor(seconds)}.llmp.${process.pid}.v2`);
    this.#fd = openSync(this.path, "a");
    this.#put(Buffer.from([...doubleField(1, seconds), ...textField(3, "brain.Event:2")]));
  }

  scalars(step: number, scalars: Readonly<Record<string, number>>, wallSeconds = Date.now() / 1000): void {
    this.#put(scalarEvent(wallSeconds, step, scalars));
  }

  #put(event: Uint8Array): void {
    writeSync(this.#fd, record(event));
  }

  close(): void {
    closeSync(this.#fd);
  }
}
