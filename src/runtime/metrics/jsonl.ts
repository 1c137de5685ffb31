import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { writeWhole } from "../../files/index.js";
import type { StepMetrics } from "../types.js";

/** One JSON object a line, appended at once: a killed run loses nothing that it showed. */
export class JsonlWriter<Line extends { readonly step: number }> {
  readonly #fd: number;

  /** @param done steps after this one are dropped first: they will be done again. Steps count from 1. */
  constructor(path: string, done = 0) {
    mkdirSync(dirname(path), { recursive: true });
    if (existsSync(path)) {
      const kept = readLines<Line>(path).filter((m) => m.step <= done);
      writeWhole(path, kept.map((m) => `${JSON.stringify(m)}\n`).join(""));
    }
    this.#fd = openSync(path, "a");
  }

  write(line: Line): void {
    writeSync(this.#fd, `${JSON.stringify(line)}\n`);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** A line of `held-out.jsonl`: the loss of each dataset's held-out part after a step. */
export interface HeldOut {
  readonly step: number;
  readonly losses: Readonly<Record<string, number>>;
}

export const readMetrics = (path: string): StepMetrics[] => readLines(path);

export const readHeldOut = (path: string): HeldOut[] => readLines(path);

/** All whole lines of a file; a last line that was cut off by a kill is passed over. */
function readLines<Line>(path: string): Line[] {
  if (!existsSync(path)) return [];
  const out: Line[] = [];
  for (const line of readFileSync(path, "utf8").split("\n")) {
    if (line === "") continue;
    try {
      out.push(JSON.parse(line) as Line);
    } catch {
      // Cut off in the middle of a write.
    }
  }
  return out;
}
