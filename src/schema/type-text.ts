import type { FieldType } from "../units/index.js";

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
      return `${/^[aeiou]/.test(type.block[0] ?? "") ? "an" : "a"} ${type.block.join(" or ")}`;
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
