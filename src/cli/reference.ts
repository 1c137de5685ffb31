/** The schema table as words with their paths: for `explain`, completion and the generated reference. */
import { blocks } from "../schema/index.js";
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

/** A type in a reader's words. */
export function typeText(type: FieldType): string {
  switch (type.kind) {
    case "quantity":
      return `${type.integer === true ? "whole " : ""}${type.dimensions.join(" or ")}`;
    case "string":
      return "text";
    case "bool":
      return "`true` or `false`";
    case "enum":
      return type.values.map((v) => `\`${v.name}\``).join(", ");
    case "ref":
      return `a ${type.block.join(" or ")}`;
    case "variant":
      return type.variants.map((v) => `\`${v.name}\``).join(", ");
    case "record":
      return `\`{ ${type.fields.map((f) => f.name).join(", ")} }\``;
    case "list":
      return `list of ${typeText(type.of)}`;
    case "every":
      return `\`every …\` ${type.of.join(" or ")}`;
    case "oneOf":
      return type.types.map(typeText).join(", or ");
  }
}

export function fieldText(path: string, field: FieldSpec): string {
  const lines = [`${path}: ${field.doc}`, "", `  ${field.example}`, "", `  type:    ${typeText(field.type)}`];
  if (field.default !== undefined) lines.push(`  default: ${field.default}`);
  if (field.decidable === true) lines.push("  the planner decides where it is `auto`, a range or a choice");
  if (field.required === true) lines.push("  required");
  return `${lines.join("\n")}\n`;
}
