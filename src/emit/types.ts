/** What an emit target is: a pure function from a plan to files. */
import type { Outcome } from "../diagnostics/index.js";
import type { Plan } from "../planner/plan.js";

export interface EmittedFile {
  /** Relative, POSIX separators, never `..`. */
  readonly path: string;
  readonly text: string;
  readonly executable?: boolean;
}

export interface EmitContext {
  /** Text of `std/` and data files that go into the bundle. */
  readonly read: (path: string) => string | undefined;
  /** What `llmp data build -o` wrote: a folder (relative to the `.llmp` file) or `s3://…`, read in place of raw data. */
  readonly prepared?: string;
}

export interface Emitter {
  readonly name: string;
  readonly doc: string;
  /** Providers of a cluster that this target suits. */
  readonly providers: readonly string[];
  readonly emit: (
    plan: Plan,
    context: EmitContext,
  ) => Outcome<readonly EmittedFile[]> | Promise<Outcome<readonly EmittedFile[]>>;
}
