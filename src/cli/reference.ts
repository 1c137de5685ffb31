/** The schema table as words with their paths: for `explain`, completion and the generated reference. */
import { blocks, typeText } from "../schema/index.js";
import type { FieldSpec, FieldType } from "../units/index.js";

export interface Word {
  /** `train.optimizer.adamw.lr` */
  readonly path: string;
  readonly doc: string;
  readonly field?: FieldSpec;
}

export function words(): readonly Word[] {
  const out: Word[] = [];
  const fields = (at: string, list: readonly FieldSpec[]): void => {
    for (const field of list) {
      const path = `${at}.${field.name}`;
      out.push({ path, doc: field.doc, field });
      inside(path, field.type);
    }
  };
  const inside = (at: string, type: FieldType): void => {
    if (type.kind === "enum") for (const v of type.values) out.push({ path: `${at}.${v.name}`, doc: v.doc });
    else if (type.kind === "variant")
      for (const v of type.variants) {
        out.push({ path: `${at}.${v.name}`, doc: v.doc });
        fields(`${at}.${v.name}`, v.fields);
      }
    else if (type.kind === "record") fields(at, type.fields);
    else if (type.kind === "list") inside(at, type.of);
    else if (type.kind === "oneOf") for (const t of type.types) inside(at, t);
  };
  for (const block of blocks) fields(block.keyword, block.fields);
  return out;
}

export function fieldText(path: string, field: FieldSpec): string {
  const lines = [`${path}: ${field.doc}`, "", `  ${field.example}`, "", `  type:    ${typeText(field.type)}`];
  if (field.default !== undefined) lines.push(`  default: ${field.default}`);
  if (field.decidable === true) lines.push("  the planner decides where it is `auto`, a range or a choice");
  if (field.required === true) lines.push("  required");
  return `${lines.join("\n")}\n`;
}
