/** Tokenizers, datasets, mixes. */
import { modelCodes, unitCodes } from "../../diagnostics/index.js";
import type { PairEntry, PhaseEntry } from "../../parser/ast.js";
import type { BlockSpec } from "../../schema/index.js";
import { formatNumber, formatPercent } from "../../units/index.js";
import type { Context } from "../context.js";
import { checkDuplicates } from "../entries.js";
import { describe, evaluate, type Value } from "../evaluate.js";
import { known, numberOf, present, textOf, textsOf } from "../known.js";
import { readQuantity } from "../numbers.js";
import { rebase } from "../paths.js";
import type { Dataset, DatasetFormat, Mix, MixPhase, Tokenizer } from "../pipeline.js";
import { resolveRef } from "../refs.js";
import type { Declared } from "../scope.js";
import type { Fields } from "../typed.js";

export function tokenizerOf(fields: Fields, declared: Declared, context: Context): Tokenizer | undefined {
  const kind = textOf<"bytes" | "bpe">(fields, "kind");
  if (kind === undefined) return undefined;
  const file = textOf(fields, "file");
  if (kind.value === "bpe" && file === undefined && !fields.failed.has("file")) {
    context.report(
      modelCodes.report("LLMP3036", kind.span, {}, { hints: ['for example `file = "llama3/tokenizer.json"`'] }),
    );
  }
  return present<Tokenizer>({
    name: declared.name,
    span: declared.block.name?.span,
    kind,
    file: file === undefined ? undefined : { ...file, value: rebase(file.value, declared.file.path, context.rootFile) },
    chatTemplate: textOf(fields, "chat_template"),
  });
}

export function datasetOf(fields: Fields, declared: Declared, context: Context): Dataset | undefined {
  const source = textsOf(fields, "source");
  const format = textOf<DatasetFormat>(fields, "format");
  if (source === undefined || format === undefined) return undefined;
  const column = (key: string) => textOf(fields, key);
  return present<Dataset>({
    name: declared.name,
    span: declared.block.name?.span,
    source: { ...source, value: source.value.map((s) => rebase(s, declared.file.path, context.rootFile)) },
    format,
    field: column("field"),
    prompt: column("prompt"),
    completion: column("completion"),
    messages: column("messages"),
    chosen: column("chosen"),
    rejected: column("rejected"),
    answer: column("answer"),
    tokens: numberOf(fields, "tokens"),
    holdout: numberOf(fields, "holdout") ?? known(0),
  });
}

/** A dataset given where a mix is wanted. */
export const mixOfOne = (name: string): Mix => ({
  name,
  unit: known("tokens"),
  phases: [{ from: 0, weights: { [name]: 1 } }],
});

export function mixOf(fields: Fields, declared: Declared, spec: BlockSpec, context: Context): Mix | undefined {
  const { block } = declared;
  const isWeight = (entry: PairEntry): boolean => !spec.fields.some((f) => f.name === entry.key.text);
  const own = block.body.entries.filter((e): e is PairEntry => e.kind === "pair" && isWeight(e));
  const later = block.body.entries.filter((e): e is PhaseEntry => e.kind === "phase");
  const first = weights(own, block.body.span, declared.name, context);
  const phases: MixPhase[] = first === undefined ? [] : [{ from: 0, weights: first }];
  let before = 0;
  for (const phase of later) {
    checkDuplicates(phase.body.entries, context, "this phase");
    const at = evaluate(phase.at, context);
    const start =
      at === undefined
        ? undefined
        : at.kind === "quantity"
          ? readQuantity(at, { kind: "quantity", dimensions: ["ratio"] }, "from", context)?.value
          : notShare(at, "from", context);
    const entries = phase.body.entries.filter((e): e is PairEntry => e.kind === "pair");
    const shares = weights(entries, phase.body.span, declared.name, context);
    if (start === undefined || shares === undefined) continue;
    if (start <= before || start >= 1) {
      context.report(
        modelCodes.report(
          "LLMP3002",
          phase.at.span,
          {},
          {
            hints: [
              start >= 1 ? "at 100% the training is over" : `the phase before starts at ${formatPercent(before)}`,
            ],
          },
        ),
      );
      continue;
    }
    before = start;
    phases.push({ from: start, weights: shares });
  }
  const unit = textOf<"tokens" | "documents">(fields, "unit") ?? known("tokens" as const);
  if (first === undefined) return undefined;
  return present<Mix>({ name: declared.name, span: block.name?.span, unit, phases });
}

/** Weights of one phase; `undefined` where any is wrong. Sums are exact to a millionth. */
function weights(
  entries: readonly PairEntry[],
  span: PhaseEntry["span"],
  name: string,
  context: Context,
): Record<string, number> | undefined {
  if (entries.length === 0) {
    context.report(modelCodes.report("LLMP3003", span, { name }, { hints: ["for example `web = 70%`"] }));
    return undefined;
  }
  const shares: Record<string, number> = {};
  let sum = 0;
  let bad = false;
  for (const entry of entries) {
    const target = resolveRef(entry.key.text, entry.key.span, ["dataset"], context);
    const value = evaluate(entry.value, context);
    const share =
      value?.kind === "quantity"
        ? readQuantity(value, { kind: "quantity", dimensions: ["ratio"], min: 0, max: 1 }, entry.key.text, context)
        : undefined;
    if (value !== undefined && value.kind !== "quantity") notShare(value, entry.key.text, context);
    if (share !== undefined) sum += share.value;
    if (target === undefined || share === undefined) bad = true;
    else shares[entry.key.text] ??= share.value;
  }
  if (bad) return undefined;
  if (Math.abs(sum - 1) > 1e-6) {
    const last = entries.at(-1);
    const shown = formatNumber(sum * 100, 5);
    const rest = last === undefined ? 0 : (1 - sum + (shares[last.key.text] ?? 0)) * 100;
    context.report(
      modelCodes.report(
        "LLMP3001",
        span,
        { sum: `${shown}%` },
        {
          labels: entries.map((e) => ({ span: e.value.span, text: "" })).slice(0, 6),
          hints:
            last !== undefined && rest > 0 && rest <= 100
              ? [`\`${last.key.text} = ${formatNumber(rest, 6)}%\` would make it 100%`]
              : [],
        },
      ),
    );
    return undefined;
  }
  return shares;
}

function notShare(value: Value, key: string, context: Context): undefined {
  context.report(
    unitCodes.report(
      "LLMP2001",
      value.span,
      { key, expected: "percent", found: describe(value) },
      { hints: ["for example `70%`"] },
    ),
  );
}
