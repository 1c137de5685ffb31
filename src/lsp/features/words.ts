/** Markdown from the schema table. */
import { typeText } from "../../schema/index.js";
import type { FieldSpec } from "../../units/index.js";

export function fieldMarkdown(field: FieldSpec): string {
  const facts = [
    typeText(field.type),
    ...(field.required === true ? ["required"] : []),
    ...(field.default === undefined ? [] : [`default \`${field.default}\``]),
    ...(field.decidable === true ? ["the planner decides where it is `auto`, a range or a choice"] : []),
  ];
  return `${field.doc}\n\n${facts.join(" · ")}\n\n\`\`\`llmp\n${field.name} = ${field.example}\n\`\`\``;
}
