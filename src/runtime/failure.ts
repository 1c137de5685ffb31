/**
 * A user's mistake or a failing environment found deep inside reading or writing. It carries its diagnostic to the
 * nearest front door (`run`, a command), which reports it; it never reaches the user as a stack trace.
 */
import type { Diagnostic, Outcome } from "../diagnostics/index.js";

export class RunFailure extends Error {
  override readonly name = "RunFailure";
  constructor(readonly diagnostic: Diagnostic) {
    super(`${diagnostic.code}: ${diagnostic.message}`);
  }
}

export function fail(diagnostic: Diagnostic): never {
  throw new RunFailure(diagnostic);
}

/** Runs something that may fail and gives an outcome instead of a throw. Our own bugs still throw. */
export async function outcomeOf<T>(work: () => Promise<T> | T): Promise<Outcome<T>> {
  try {
    return { value: await work(), diagnostics: [] };
  } catch (error) {
    if (error instanceof RunFailure) return { diagnostics: [error.diagnostic] };
    throw error;
  }
}
