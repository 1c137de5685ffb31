/** Writing to disk for everything that does: runtime and command line. */
import { realpathSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";

/**
 * Whole or not at all: written under another name and renamed, so that a reader, a full disk or a kill never leaves half
 * of it. Keeps the mode of what was there and follows a link; what is no file (`/dev/stdout`, a pipe) is written to.
 */
export function writeWhole(path: string, text: string): void {
  const before = statSync(path, { throwIfNoEntry: false });
  if (before !== undefined && !before.isFile()) {
    writeFileSync(path, text);
    return;
  }
  const target = before === undefined ? path : realpathSync(path);
  const temporary = `${target}.${process.pid}.partial`;
  try {
    writeFileSync(temporary, text, { flush: true, ...(before === undefined ? {} : { mode: before.mode }) });
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
