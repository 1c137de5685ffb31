import { describe, expect, it } from "vitest";
import { emit, emitters } from "../../src/emit/index.js";
import type { Plan } from "../../src/planner/plan.js";
import { cases } from "./fixtures/cases.js";

/** One page per plan and target: every file with its text, or the reasons why there is none. */
async function page(target: string, name: string): Promise<string> {
  const outcome = await emit(target, (cases[name] as () => Plan)());
  if (outcome.value === undefined)
    return outcome.diagnostics.map((d) => `${d.code} ${d.message}\n  ${d.hints.join("\n  ")}\n`).join("");
  return (
    [...outcome.value]
      .sort((a, b) => (a.path < b.path ? -1 : 1))
      // Programs that do not depend on the plan are in the source tree already.
      .map((f) =>
        /(train|mix|rewards|prepare|launch|tokens|prompts|verl_reward|byte_tokenizer|smp_train|llmp_titan)\.py$/.test(
          f.path,
        )
          ? `=== ${f.path}\n(${f.text.length} characters)\n`
          : `=== ${f.path}${f.executable ? " (executable)" : ""}\n${f.text}`,
      )
      .join("\n")
  );
}

describe.each(Object.keys(cases))("%s", (name) => {
  const plan = (cases[name] as () => Plan)();
  const providers = new Set(plan.stages.map((s) => s.cluster.provider));
  const suited = emitters.filter((e) => [...providers].every((p) => e.providers.includes(p)));

  it.each(suited.map((e) => e.name))("%s", async (target) => {
    await expect(await page(target, name)).toMatchFileSnapshot(`golden/${name}.${target}.txt`);
  });
});
