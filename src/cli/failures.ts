/** Shows what the runtime throws for a user's mistake as a diagnostic, and ends with exit code 3. */
import { RunFailure } from "../runtime/types.js";
import { Exit, exit, showDiagnostics } from "./output.js";

export async function reported<T>(
  work: () => Promise<T>,
  sources: Parameters<typeof showDiagnostics>[1] = new Map(),
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof RunFailure)) throw error;
    showDiagnostics([error.diagnostic], sources);
    throw new Exit(exit.failed);
  }
}
