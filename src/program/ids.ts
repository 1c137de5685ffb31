/** Ids that are looked up in a table. A kernel that followed one beyond its end would read whatever lies there. */
import { RunFailure, runCodes } from "../diagnostics/index.js";

export type IdKind = "id" | "position" | "target id";

export type IdRange = readonly [lowest: number, highest: number];

export function rangeOf(ids: ArrayLike<number>): IdRange {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!;
    if (id < low) low = id;
    if (id > high) high = id;
  }
  return [low, high];
}

/** @throws RunFailure LLMP6009 */
export function checkIds(what: IdKind, [low, high]: IdRange, rows: number): void {
  const id = low < 0 ? low : high;
  if (low < 0 || high >= rows) throw new RunFailure(runCodes.report("LLMP6009", undefined, { what, id, rows }));
}
