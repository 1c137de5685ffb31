/**
 * Megatron's indexed dataset (core/datasets/indexed_dataset.py, core_v0.16.1): `.bin` is the tokens of all sequences one
 * after the other; `.idx` is `MMIDIDX\0\0`, version 1 (u64), dtype code (u8: 4 is int32), number of sequences and of
 * document bounds (u64), lengths (int32), byte offsets (int64), document bounds (int64). Little-endian.
 */
import { closeSync, openSync, renameSync, rmSync, writeFileSync, writeSync } from "node:fs";
import path from "node:path";

export class IndexedWriter {
  readonly #lengths: number[] = [];
  readonly #file: number;
  readonly #partial: string;

  /** @param prefix path without `.bin` and `.idx` */
  constructor(readonly prefix: string) {
    this.#partial = `${prefix}.bin.${process.pid}.partial`;
    this.#file = openSync(this.#partial, "w");
  }

  /** One document of one sequence. */
  add(tokens: Int32Array): void {
    writeSync(this.#file, Buffer.from(tokens.buffer, tokens.byteOffset, tokens.byteLength));
    this.#lengths.push(tokens.length);
  }

  /** Puts both files in place; their names. */
  end(): readonly string[] {
    closeSync(this.#file);
    const count = this.#lengths.length;
    const head = Buffer.alloc(34);
    head.write("MMIDIDX\0\0", 0, "latin1");
    head.writeBigUInt64LE(1n, 9);
    head.writeUInt8(4, 17);
    head.writeBigUInt64LE(BigInt(count), 18);
    head.writeBigUInt64LE(BigInt(count + 1), 26);
    const lengths = Int32Array.from(this.#lengths);
    const offsets = new BigInt64Array(count);
    const documents = new BigInt64Array(count + 1);
    let at = 0n;
    for (let i = 0; i < count; i++) {
      offsets[i] = at;
      at += 4n * BigInt(this.#lengths[i] as number);
      documents[i + 1] = BigInt(i + 1);
    }
    const bytes = [lengths, offsets, documents].map((a) => Buffer.from(a.buffer, a.byteOffset, a.byteLength));
    const index = `${this.prefix}.idx`;
    writeFileSync(`${index}.${process.pid}.partial`, Buffer.concat([head, ...bytes]));
    renameSync(this.#partial, `${this.prefix}.bin`);
    renameSync(`${index}.${process.pid}.partial`, index);
    return [".bin", ".idx"].map((end) => path.basename(this.prefix) + end);
  }

  drop(): void {
    closeSync(this.#file);
    rmSync(this.#partial, { force: true });
  }
}
