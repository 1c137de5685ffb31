import { runCodes } from "../../diagnostics/index.js";
import { RunFailure } from "../failure.js";

export const cannotStart = (backend: string, why: string, hints: readonly string[] = []): RunFailure =>
  new RunFailure(runCodes.report("LLMP6002", undefined, { backend, why }, { hints: [...hints] }));
