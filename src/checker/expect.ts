/** What a type takes, in words; and whether a value has its shape. */
import type { FieldType } from "../units/index.js";
import type { Value } from "./evaluate.js";
import { names } from "./quantity.js";

export function expectation(type: FieldType): string {
  switch (type.kind) {
    case "quantity":
      return type.dimensions.map(names).join(" or ");
    case "string":
      return "text in quotes";
    case "bool":
      return "`true` or `false`";
    case "enum": {
      const shown = type.values.slice(0, 6).map((v) => `\`${v.name}\``);
      return `one of ${shown.join(", ")}${type.values.length > 6 ? ", …" : ""}`;
    }
    case "ref":
      return `the name of a ${type.block.join(" or ")}`;
    case "variant":
      return `one of ${type.variants.map((v) => `\`${v.name}\``).join(", ")}`;
    case "record":
      return "a body in braces";
    case "list":
      return "a list in brackets";
    case "every":
      return `an interval in ${type.of.map(names).join(", ")} (\`every …\`)`;
    case "oneOf":
      return type.types.map(expectation).join(", or ");
  }
}

/** Chooses among alternatives by shape only; the chosen one then reports what is wrong inside. */
export function shapeFits(value: Value, type: FieldType): boolean {
  switch (type.kind) {
    case "quantity":
      return (
        value.kind === "quantity" && type.dimensions.some((d) => d === value.dimension || value.dimension === "count")
      );
    case "string":
      return value.kind === "string";
    case "bool":
      return value.kind === "bool";
    case "enum":
    case "ref":
      return value.kind === "symbol";
    case "variant":
      return value.kind === "variant" || value.kind === "symbol";
    case "record":
      return value.kind === "record";
    case "list":
      return value.kind === "list";
    case "every":
      return value.kind === "every";
    case "oneOf":
      return type.types.some((t) => shapeFits(value, t));
  }
}
