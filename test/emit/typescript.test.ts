/** Emitted programs are type-checked against the real SDK and library types. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import ts from "typescript";
import { afterAll, describe, expect, it } from "vitest";
import { emit } from "../../src/emit/index.js";
import type { Plan } from "../../src/planner/plan.js";
import { cases } from "./fixtures/cases.js";

// Inside the project, so that its node_modules are found.
const folder = mkdtempSync(join(resolve("node_modules"), ".emit-typescript-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("emit typescript", () => {
  it("writes programs that type-check", { timeout: 120_000 }, async () => {
    const roots: string[] = [];
    for (const name of ["megatron-fp8", "stages-sft-grpo", "trainium-batch", "local-llmp"]) {
      const outcome = await emit("typescript", (cases[name] as () => Plan)());
      for (const file of (outcome.value ?? []).filter((f) => /^[a-z]+\.ts$/.test(f.path))) {
        const path = join(folder, `${name}.ts`);
        writeFileSync(path, file.text);
        roots.push(path);
      }
    }
    expect(roots.length).toBe(4);
    const program = ts.createProgram(roots, {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      types: ["node"],
      resolveJsonModule: true,
      paths: { llmp: [resolve("src/index.ts")] },
    });
    const problems = roots.flatMap((root) => {
      const source = program.getSourceFile(root);
      return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
    });
    expect(problems.map((d) => `${d.file?.fileName}: ${ts.flattenDiagnosticMessageText(d.messageText, "\n")}`)).toEqual(
      [],
    );
  });
});
