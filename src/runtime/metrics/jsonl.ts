import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { writeWhole } from "../../files/index.js";
import type { StepMetrics } from "../types.js";

/** One JSON object a line, appended at once: a killed run loses nothing that it showed. */
export class JsonlWriter {
  readonly #fd: number;

  /** @param done steps after this one are dropped first: they will be done again. Steps count from 1. */
  constructor(path: string, done = 0) {
    mkdirSync(dirname(path), { recursive: true });
    if (existsSync(path)) {
      const kept = readMetrics(path).filter((m) => m.step <= done);
      writeWhole(path, kept.map((m) => `${JSON.stringify(m)}\n`).join(""));
    }
    this.#fd = openSync(path, "a");
  }

  write(metrics: StepMetrics): void {
    writeSync(this.#fd, `${JSON.stringify(metrics)}\n`);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** All whole lines of a metrics file; a last line that was cut off by a kill is passed over. */
export function readMetrics(path: string): StepMetrics[] {
  if (!existsSync(path)) return [];
  const out: StepMetrics[] = [];
  for (const line of readFileSync(path, "utf8").split("\n")) {
    if (line === "") continue;
    try {
      out.push(JSON.parse(line) as StepMetrics);
    } catch {
      // Cut off in the middle of a write.
    }
  }
  return out;
}
