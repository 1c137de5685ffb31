import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { DataFile } from "../../../../src/runtime/data/types.js";
import { RunFailure } from "../../../../src/runtime/types.js";

export interface Target {
  readonly name: string;
  readonly seeds: readonly Uint8Array[];
  /** Inputs are JSON: half of them get values changed instead of bytes. */
  readonly json?: true;
  /** Shares of the time; one unless said. */
  readonly weight?: number;
  /** Throws where the reader did something it must not. */
  readonly run: (input: Uint8Array) => void | Promise<void>;
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (input: Uint8Array): string => new TextDecoder().decode(input);
export const at = (...parts: string[]): string => path.join(process.cwd(), ...parts);

let made: string | undefined;

/** For readers that open files by themselves. */
export function scratch(): string {
  made ??= mkdtempSync(path.join(tmpdir(), "llmp-fuzz-"));
  return made;
}

/** A user's mistake found in a file is a `RunFailure`; anything else is our bug. */
export async function refuses(work: () => unknown): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof RunFailure)) throw error;
  }
}

/** Whatever a third party's reader throws is shown with the file's name; it must only end, and take no one along. */
export async function ends(work: () => Promise<void>): Promise<void> {
  await work().catch(() => undefined);
  await new Promise((done) => setImmediate(done));
}

export async function drained(rows: AsyncIterable<unknown>): Promise<void> {
  let left = 10_000;
  for await (const _ of rows) if (--left === 0) break;
}

/** A file of a dataset that was never on a disk, in pieces as a stream gives them. */
export function inMemory(name: string, input: Uint8Array): DataFile {
  return {
    path: name,
    size: input.length,
    stamp: "0",
    async *stream() {
      const cut = input.length >> 1;
      yield input.subarray(0, cut);
      yield input.subarray(cut);
    },
    range: async (start, end) => {
      if (start < 0 || end > input.length) throw new Error(`the file ends at byte ${input.length}`);
      return input.slice(start, end);
    },
  };
}
