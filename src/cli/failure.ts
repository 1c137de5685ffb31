import { complain, Exit, exit, globals } from "./output.js";

/** What a command threw, said to the user; the exit code. */
export function failed(error: unknown): number {
  if (error instanceof Exit) {
    if (error.message !== "") complain(`error: ${error.message}`);
    for (const hint of error.hints) complain(`  ${hint}`);
    return error.code;
  }
  crash(error);
  return exit.failed;
}

/** An error that nobody foresaw: our own bug, or the machine's. */
function crash(error: unknown): void {
  const { code, message, stack } = error as NodeJS.ErrnoException;
  const known: Readonly<Record<string, string>> = {
    ENOSPC: "the disk is full",
    EACCES: "permission denied",
    EROFS: "the file system is read-only",
    ENOENT: "no such file or folder",
    EMFILE: "too many open files",
  };
  const why = code === undefined ? undefined : known[code];
  if (why !== undefined) complain(`error: ${why}\n  ${message}`);
  else complain(`error[LLMP9001]: this is a bug in llmp: ${message}\n  please report it with what you ran`);
  if (globals.verbose || process.env.LLMP_DEBUG !== undefined) complain(stack ?? String(error));
  else if (why === undefined) complain("  LLMP_DEBUG=1 shows where it happened");
}
