/**
 * A user's mistake or a failing environment found deep inside reading, computing or writing. It carries its diagnostic to
 * the nearest front door (`run`, a command), which reports it; it never reaches the user as a stack trace.
 */
import type { Diagnostic } from "./diagnostic.js";

export class RunFailure extends Error {
  override readonly name = "RunFailure";
  constructor(readonly diagnostic: Diagnostic) {
    super(`${diagnostic.code}: ${diagnostic.message}`);
  }
}
