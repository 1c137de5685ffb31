/** A folder of scenarios: one `main.llmp` and, beside it, what each stage makes of it. `npm run test:update` writes them anew. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { bundledHardware } from "../src/hardware/index.js";
import { buildGraph, figuresOf } from "../src/model/index.js";
import { format, parse } from "../src/parser/index.js";
import { plan } from "../src/planner/index.js";
import { renderPlan } from "../src/report/index.js";
import { checkText, render } from "./checker/helpers.js";

const folder = new URL("scenarios/", import.meta.url);

test.each(readdirSync(folder))("%s", async (name) => {
  const path = new URL(`${name}/`, folder);
  const text = readFileSync(new URL("main.llmp", path), "utf8");
  const beside = (suffix: string, content: string): Promise<void> =>
    expect(content).toMatchFileSnapshot(new URL(`main.${suffix}`, path).pathname);

  const { value, diagnostics } = checkText(text);
  await beside("diagnostics.txt", `${render(diagnostics, text)}\n`);
  const ast = parse({ path: "main.llmp", text });
  if (ast.value !== undefined && ast.diagnostics.length === 0)
    await beside("fmt.llmp", format({ path: "main.llmp", text }, ast.value));
  if (value === undefined) return;
  // Places move with every comment; the diagnostics have them.
  const plain = JSON.stringify(value, (key, v) => (key === "span" ? undefined : v), 2);
  await beside("pipeline.json", `${plain}\n`);

  const models = Object.values(value.models).map((spec) => [
    spec.name,
    figuresOf(buildGraph(spec), spec.contextLength.value),
  ]);
  await beside("graph.json", `${JSON.stringify(Object.fromEntries(models), null, 2)}\n`);
  const planned = plan(value, bundledHardware());
  if (planned.value === undefined) return;
  const pages = [{ verbose: true }, { why: true as const }, { layout: true }].map((o) => renderPlan(planned.value!, o));
  // How long the search took is this machine's; all else is the same everywhere.
  await beside("plan.txt", pages.join("\n").replace(/(best under the cost model|stopped early) · .*/g, "$1"));
});
