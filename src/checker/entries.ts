/** What a body may hold, before any value is looked at: known keys, each once, with the right sign. */
import { nameCodes, unitCodes } from "../diagnostics/index.js";
import type { Entry, PairEntry } from "../parser/ast.js";
import type { Span } from "../text/index.js";
import type { FieldSpec } from "../units/index.js";
import type { Context, EffectiveEntry } from "./context.js";
import { nearestHint } from "./hints.js";

export interface BodyOptions {
  /** In words, for messages: "model `student`", "`parallel`". */
  readonly owner: string;
  readonly span: Span;
  readonly limits?: readonly string[];
  /** Keys that the caller reads itself (names of datasets in a mix). */
  readonly accept?: (entry: PairEntry) => boolean;
  /** Extra names for "did you mean". */
  readonly known?: readonly string[];
  /** Origin of entries without one of their own (inside a record that was inherited or set). */
  readonly from?: EffectiveEntry["from"];
}

/** Pairs of a body in source order; a key that is set twice is an error that shows both places, and the first counts. */
export function pairs(
  entries: readonly Entry[],
  context: Context,
  owner: string,
  from: EffectiveEntry["from"] = "file",
): readonly EffectiveEntry[] {
  checkDuplicates(entries, context, owner);
  const seen = new Set<string>();
  const result: EffectiveEntry[] = [];
  for (const entry of entries) {
    if (entry.kind !== "pair" || seen.has(entry.key.text)) continue;
    seen.add(entry.key.text);
    result.push({ entry, from });
  }
  return result;
}

/** Reports keys that are set twice, and phases where none belong. */
export function checkDuplicates(entries: readonly Entry[], context: Context, owner: string, phases = false): void {
  const first = new Map<string, Span>();
  for (const entry of entries) {
    if (entry.kind === "phase") {
      if (!phases) context.report(nameCodes.report("LLMP1020", entry.span, { owner }));
      continue;
    }
    const before = first.get(entry.key.text);
    if (before === undefined) first.set(entry.key.text, entry.key.span);
    else
      context.report(
        nameCodes.report(
          "LLMP1006",
          entry.key.span,
          { name: entry.key.text, owner },
          {
            labels: [{ span: before, text: "first set here" }],
            fixes: [{ title: "Remove this one", edits: [{ span: entry.span, text: "" }], safe: false }],
          },
        ),
      );
  }
}

export function unknownKey(
  key: PairEntry["key"],
  specs: readonly FieldSpec[],
  context: Context,
  options: BodyOptions,
): void {
  const known = [...specs.map((s) => s.name), ...(options.known ?? [])];
  context.report(
    nameCodes.report(
      "LLMP1002",
      key.span,
      { owner: options.owner, name: key.text },
      nearestHint(key.text, known, key.span),
    ),
  );
}

export function checkOperator(entry: PairEntry, limits: readonly string[], context: Context): void {
  const limit = limits.includes(entry.key.text);
  if (limit === (entry.operator !== "=")) return;
  const expected = limit ? "<" : "=";
  context.report(
    unitCodes.report(
      "LLMP2016",
      entry.key.span,
      { key: entry.key.text, expected },
      {
        hints: [limit ? "it is a limit that the plan must stay under" : "only limits of a budget are written with `<`"],
      },
    ),
  );
}
