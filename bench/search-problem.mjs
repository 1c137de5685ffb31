/** Bundles the planner's search for the benchmarks: `run(text)` plans the first stage of a program and says how long it took. */
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** `standIn`: with the tests' small cost model instead of the real one. */
export async function loadSearch(standIn = false) {
  const entry = `
import { readFileSync } from "node:fs";
import { check } from "./src/checker/index.ts";
import { bundledHardware } from "./src/hardware/index.ts";
import { parse } from "./src/parser/index.ts";
import { stageProblem } from "./src/planner/search/problem.ts";
import { search } from "./src/planner/search/solve.ts";
${
  standIn
    ? 'import { build, standIn } from "./test/planner-search/stand-in.ts"; const fresh = standIn;'
    : 'import { buildModel as build } from "./src/model/index.ts"; import { costModel } from "./src/planner/cost-model.ts"; const fresh = () => costModel;'
}
export function run(text, root) {
  const { value: ast } = parse({ path: "main.llmp", text });
  const read = (p) => { if (p === "main.llmp") return text; try { return readFileSync(root + "/" + p, "utf8"); } catch { return undefined; } };
  const checked = check(ast, { read, glob: () => [], now: () => 0 });
  if (checked.value === undefined) throw new Error(checked.diagnostics.map((d) => d.message).join("; "));
  const pipeline = checked.value;
  const start = performance.now();
  const cpu = process.cpuUsage();
  const { problem } = stageProblem(pipeline, pipeline.stages[0], bundledHardware(), build, {});
  const result = search(problem, fresh());
  const { user, system } = process.cpuUsage(cpu);
  return { seconds: (performance.now() - start) / 1000, cpuSeconds: (user + system) / 1e6, ...result };
}`;
  const out = path.join(root, "node_modules/.cache/bench-search.mjs");
  await build({
    stdin: { contents: entry, resolveDir: root, loader: "ts" },
    bundle: true,
    platform: "node",
    format: "esm",
    outfile: out,
    logLevel: "error",
    banner: { js: 'import { createRequire as __r } from "node:module"; const require = __r(import.meta.url);' },
  });
  const { run } = await import(out);
  return (text) => run(text, root);
}

export const strategies = (r) =>
  `${r.cpuSeconds.toFixed(2)} s of one core (${r.seconds.toFixed(2)} s on the clock) · ${r.considered} considered, ${r.evaluated} evaluated · ${Math.round(
    r.considered / r.cpuSeconds,
  )} strategies a second`;
