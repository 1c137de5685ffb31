/** Plans made by hand for what no example has; the examples' own pages are in `golden/examples`. */
import { describe, expect, it } from "vitest";
import { emit, emitters } from "../../src/emit/index.js";
import type { Plan } from "../../src/planner/plan.js";
import { cases } from "./fixtures/cases.js";
import { page } from "./fixtures/page.js";

const make = (name: string): Plan => (cases[name] as () => Plan)();

describe.each(Object.keys(cases))("%s", (name) => {
  const providers = new Set(make(name).stages.map((s) => s.cluster.provider));
  const suited = emitters.filter((e) => [...providers].every((p) => e.providers.includes(p)));

  it.each(suited.map((e) => e.name))("%s", async (target) => {
    const outcome = await emit(target, make(name));
    const engine = target === "engine" ? undefined : (await emit("engine", make(name))).value;
    const text =
      outcome.value === undefined
        ? outcome.diagnostics.map((d) => `${d.code} ${d.message}\n  ${d.hints.join("\n  ")}\n`).join("")
        : page(outcome.value, engine);
    await expect(text).toMatchFileSnapshot(`golden/${name}.${target}.txt`);
  });
});
