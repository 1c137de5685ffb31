/** Every example of the repository, by every target that suits its clusters. */
import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { emit, emitters, validateRequest } from "../../src/emit/index.js";
import { checked, plainPlan } from "./fixtures/from-pipeline.js";

const files = readdirSync("examples").filter((f) => f.endsWith(".llmp"));

describe.each(files)("examples/%s", (file) => {
  const plan = plainPlan(checked(`examples/${file}`));
  const providers = [...new Set(plan.stages.map((s) => s.cluster.provider))];
  const suited = emitters.filter((e) => e.name !== "recipe" && providers.every((p) => e.providers.includes(p)));
  // Our own runtime has nothing to emit but its program.
  const own = plan.stages.every((s) => s.engine === "llmp");

  it("has an engine for each stage", () => {
    expect(plan.stages.map((s) => s.engine)).not.toContain("none");
  });

  it.each(suited.map((e) => e.name))("%s", async (target) => {
    const start = performance.now();
    const outcome = await emit(target, plan);
    if (target !== "typescript") expect(performance.now() - start).toBeLessThan(1000);
    if (own && target !== "typescript") {
      expect(outcome.diagnostics.map((d) => d.code)).toEqual(plan.stages.map(() => "LLMP5001"));
      return;
    }
    expect(outcome.diagnostics.filter((d) => d.severity === "error").map((d) => `${d.message}: ${d.hints[0]}`)).toEqual(
      [],
    );
    for (const f of outcome.value ?? []) {
      if (f.path.endsWith("create-training-job.json"))
        expect(validateRequest("CreateTrainingJob", JSON.parse(f.text))).toEqual([]);
      if (f.path.endsWith("register-job-definition.json"))
        expect(validateRequest("RegisterJobDefinition", JSON.parse(f.text))).toEqual([]);
    }
  });
});
