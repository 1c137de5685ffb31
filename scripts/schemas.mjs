/** JSON Schemas of what scripts read: the syntax tree and plan.json, from their TypeScript types. */
import path from "node:path";
import { createGenerator } from "ts-json-schema-generator";

export function schemas(root) {
  const of = (file, type, title) => {
    const generator = createGenerator({
      path: path.join(root, file),
      tsconfig: path.join(root, "tsconfig.json"),
      type,
      // `npm run typecheck` does that.
      skipTypeCheck: true,
      additionalProperties: false,
      expose: "all",
    });
    return `${JSON.stringify({ title, ...generator.createSchema(type) }, undefined, 1)}\n`;
  };
  return {
    "ast.schema.json": of("src/parser/ast.ts", "Ast", "llmp syntax tree"),
    "plan.schema.json": of("src/planner/plan.ts", "Plan", "llmp plan"),
  };
}
