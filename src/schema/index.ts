/** The one table of the language: every block, every key. Checker, completion, hover, formatter and reference docs read it. */
import type { FieldSpec } from "../units/index.js";
import { adapter } from "./blocks/adapter.js";
import { budget } from "./blocks/budget.js";
import { cluster } from "./blocks/cluster.js";
import { dataset } from "./blocks/dataset.js";
import { accelerator, instance } from "./blocks/hardware.js";
import { mix } from "./blocks/mix.js";
import { model } from "./blocks/model.js";
import { precision } from "./blocks/precision.js";
import { reward } from "./blocks/reward.js";
import { tokenizer } from "./blocks/tokenizer.js";
import { parallelFields, train } from "./blocks/train.js";
import type { BlockSpec, StatementSpec } from "./types.js";

export { adapterTargets } from "./blocks/adapter.js";
export { architectures } from "./blocks/architectures.js";
export { clusterOptions } from "./blocks/cluster.js";
export { typeText } from "./type-text.js";
export type { BlockSpec, StatementSpec } from "./types.js";
export { parallelFields };

/** In the order in which a file reads best. */
export const blocks: readonly BlockSpec[] = [
  tokenizer,
  dataset,
  mix,
  model,
  adapter,
  precision,
  reward,
  accelerator,
  instance,
  cluster,
  train,
  budget,
];

export const paramTypes: Readonly<Record<string, string>> = {
  int: "a whole number, with or without a scale (`8Ki`, `4M`)",
  float: "any plain number",
  bool: "`true` or `false`",
  string: "text in quotes",
  name: "a name: a model, an instance, a precision…",
  bytes: "a size (`80GiB`)",
  time: "a duration (`30min`)",
  money: "dollars (`$500`)",
  percent: "a percentage (`70%`)",
  tokens: "a number of tokens (`100B tokens`)",
};

export const statements: readonly StatementSpec[] = [
  {
    keyword: "import",
    doc: 'Makes the blocks of another file known: `"std/NAME"` for the bundled families, a path relative to this file for one\'s own.',
    since: "0.1",
    example: 'import "std/llama3"',
  },
  {
    keyword: "param",
    doc: "A value that `--set NAME=…` overrides.",
    since: "0.1",
    example: "param gpus: int = 64",
  },
  { keyword: "let", doc: "A name for an expression.", since: "0.1", example: "let nodes = gpus / 8" },
];

const blockTable = new Map(blocks.map((block) => [block.keyword, block]));
export const blockByKeyword = (keyword: string): BlockSpec | undefined => blockTable.get(keyword);

/** Words of enumerations that begin with a digit (`1f1b`): a lexer takes them for a number with a suffix. */
export const digitWords: ReadonlySet<string> = new Set(
  parallelFields
    .flatMap(({ type }) => (type.kind === "enum" ? type.values.map((v) => v.name) : []))
    .filter((w) => /^\d/.test(w)),
);

const fieldTables = new WeakMap<readonly FieldSpec[], ReadonlyMap<string, FieldSpec>>();

/** A row by its key; the table of each list is built once. */
export function fieldByName(fields: readonly FieldSpec[], name: string): FieldSpec | undefined {
  let table = fieldTables.get(fields);
  if (table === undefined) {
    table = new Map(fields.map((f) => [f.name, f]));
    fieldTables.set(fields, table);
  }
  return table.get(name);
}
