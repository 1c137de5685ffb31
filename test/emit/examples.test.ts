/**
 * Every example by every target, from the plan that the planner makes. `npx vitest run test/emit/examples -u` writes the
 * golden files again.
 */
import { describe, expect, it } from "vitest";
import { type EmittedFile, emit, emitters, type RequestName, validateRequest } from "../../src/emit/index.js";
import type { Plan } from "../../src/planner/plan.js";
import { exampleNames, examplePlan, moved } from "./fixtures/examples.js";
import { page } from "./fixtures/page.js";

const requests: Readonly<Record<string, RequestName>> = {
  "create-training-job.json": "CreateTrainingJob",
  "create-pipeline.json": "CreatePipeline",
  "register-job-definition.json": "RegisterJobDefinition",
  "submit-job.json": "SubmitJob",
  "submit-service-job.json": "SubmitServiceJob",
};

function invalid(files: readonly EmittedFile[]): string[] {
  return files.flatMap((file) => {
    const name = requests[file.path.split("/").pop() ?? ""];
    return name === undefined
      ? []
      : validateRequest(name, JSON.parse(file.text)).map((d) => `${file.path}: ${d.message}`);
  });
}

/** One line a target: what is written, or why nothing is. */
async function matrix(plan: Plan): Promise<string> {
  const lines: string[] = [];
  for (const { name } of emitters) {
    const { value, diagnostics } = await emit(name, plan);
    const errors = diagnostics.filter((d) => d.severity === "error");
    // A refusal says why, and what to do.
    for (const d of errors) expect(d.hints.length, `${name}: ${d.message}`).toBeGreaterThan(0);
    expect((value === undefined) === errors.length > 0, name).toBe(true);
    expect(invalid(value ?? []), name).toEqual([]);
    lines.push(
      value === undefined
        ? errors.map((d) => `${name}: ${d.code} ${d.message} (${d.hints[0]})`).join("\n")
        : `${name}: ${value.length} files`,
    );
  }
  return `${lines.join("\n")}\n`;
}

describe.each(exampleNames)("examples/%s", (name) => {
  const providers = (): string[] => [...new Set(examplePlan(name).stages.map((s) => s.cluster.provider))];

  it("is written or refused with a reason by each target", async () => {
    await expect(await matrix(examplePlan(name))).toMatchFileSnapshot(`golden/examples/${name}.txt`);
  }, 30_000);

  it("gives the golden files of each target that suits its cluster", async () => {
    const suited = emitters.filter((e) => providers().every((p) => e.providers.includes(p)));
    const engine = (await emit("engine", examplePlan(name))).value;
    for (const { name: target } of suited) {
      const outcome = await emit(target, examplePlan(name));
      if (outcome.value === undefined) continue;
      await expect(page(outcome.value, target === "engine" ? undefined : engine)).toMatchFileSnapshot(
        `golden/examples/${name}.${target}.txt`,
      );
    }
  });

  it("is written or refused with a reason on clusters of other kinds too", async () => {
    if (providers().includes("local")) return;
    const lines: string[] = [];
    for (const provider of ["sagemaker", "hyperpod", "batch", "kubernetes", "slurm"] as const)
      lines.push(`# provider = ${provider}`, await matrix(moved(examplePlan(name), provider)));
    await expect(lines.join("\n")).toMatchFileSnapshot(`golden/examples/${name}.moved.txt`);
  });
});
