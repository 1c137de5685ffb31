import type { Diagnostic } from "../diagnostics/index.js";
import type { Expr, PairEntry } from "../parser/ast.js";
import type { Host } from "../text/index.js";
import type { Scope } from "./scope.js";
import type { Value } from "./value.js";

/** What every step of one check shares. The only mutable state; it lives as long as one call of `check`. */
export interface Context {
  readonly host: Host;
  readonly rootFile: string;
  readonly scope: Scope;
  readonly report: (diagnostic: Diagnostic) => void;
  /** `--set` values that name a block's key: `p5.count` → `{ count }` of `p5`. */
  readonly overrides: ReadonlyMap<string, readonly Override[]>;
  /** Set by the evaluator whenever a value came from `--set`; the reader turns it into the origin of the field. */
  usedSet: boolean;
  /** Names on a circle of expressions that has been reported. */
  readonly circular: Set<string>;
  /** Values of names that have been evaluated (undefined: wrong, reported), and whether `--set` had a part in them. */
  readonly memo: Map<string, { readonly value: Value | undefined; readonly set: boolean }>;
}

export interface Override {
  /** Keys below the block's name: `["parallel", "tensor"]`. */
  readonly path: readonly string[];
  readonly value: Expr;
}

/** An entry of a body, after inheritance and `--set`. */
export interface EffectiveEntry {
  readonly entry: PairEntry;
  readonly from: "file" | "inherited" | "set";
}
