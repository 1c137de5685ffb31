import type { FieldSpec } from "../units/index.js";

/** One kind of block: its row of the schema table. */
export interface BlockSpec {
  readonly keyword: string;
  readonly doc: string;
  readonly since: string;
  /** Whether a name follows the keyword. */
  readonly named: boolean;
  /** `NAME: parent` is legal. */
  readonly inherits?: boolean;
  /** `NAME from STAGE` is legal. */
  readonly startsFrom?: boolean;
  /** At most one in a pipeline. */
  readonly single?: boolean;
  readonly fields: readonly FieldSpec[];
  /** Keys that are names of other blocks (`mix`): any name that refers to one of `keys`, with this type. */
  readonly open?: { readonly keys: readonly string[]; readonly value: FieldSpec };
  /** `from PERCENT { … }` is legal inside, with the same open keys. */
  readonly phases?: boolean;
  /** Keys that are written with `<` (limits) instead of `=`. */
  readonly limits?: readonly string[];
  /** A whole block, as one would write it. */
  readonly example: string;
}

/** A top-level statement that is not a block. */
export interface StatementSpec {
  readonly keyword: string;
  readonly doc: string;
  readonly since: string;
  readonly example: string;
}
