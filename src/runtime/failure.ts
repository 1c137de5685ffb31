import { type Diagnostic, RunFailure } from "../diagnostics/index.js";

export { RunFailure };

export function fail(diagnostic: Diagnostic): never {
  throw new RunFailure(diagnostic);
}
