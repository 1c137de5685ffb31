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
import { families } from "./src/planner/recompute/ways.ts";
import { chunksFor } from "./src/planner/search/inner.ts";
import { layouts } from "./src/planner/search/layouts.ts";
import { stageProblem } from "./src/planner/search/problem.ts";
import { search } from "./src/planner/search/solve.ts";
import { capacityOf } from "./src/planner/search/terms.ts";
${
  standIn
    ? 'import { build, standIn } from "./test/planner-search/stand-in.ts"; const fresh = standIn;'
    : 'import { buildModel as build } from "./src/model/index.ts"; import { costModel } from "./src/planner/cost-model.ts"; const fresh = () => costModel;'
}
function problemOf(text, root) {
  const { value: ast } = parse({ path: "main.llmp", text });
  const read = (p) => { if (p === "main.llmp") return text; try { return readFileSync(root + "/" + p, "utf8"); } catch { return undefined; } };
  const checked = check(ast, { read, glob: () => [], now: () => 0 });
  if (checked.value === undefined) throw new Error(checked.diagnostics.map((d) => d.message).join("; "));
  const pipeline = checked.value;
  return () => stageProblem(pipeline, pipeline.stages[0], bundledHardware(), build, {}).problem;
}
const shuffled = (list) => {
  let state = 1;
  for (let i = list.length - 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const j = state % (i + 1);
    [list[i], list[j]] = [list[j], list[i]];
  }
  return list;
};
/** Strategies evaluated in full, none left out by a bound, for so many seconds of the processor. */
export function evaluateAll(text, root, seconds) {
  const problem = problemOf(text, root)();
  const model = fresh();
  const [c] = problem.configurations;
  const { context, count, contextLength, globalBatch, devices, parallel: settings } = c;
  const { can } = context.engine;
  const spec = problem.pipeline.models[problem.stage.model.value];
  const space = { settings, can, spec, layers: context.policy.stack.length - 2, devices, contextLength, globalBatch };
  const all = shuffled([...layouts(space)]);
  const cpu = process.cpuUsage();
  const used = () => { const { user, system } = process.cpuUsage(cpu); return (user + system) / 1e6; };
  let evaluated = 0;
  let fits = 0;
  search: for (;;) {
    for (const parallel of all) {
      if (used() > seconds) break search;
      const frame = { model, context, count, contextLength, globalBatch, capacity: capacityOf(problem, c) };
      const chunks = chunksFor(frame, parallel);
      for (const family of families(context.policy, can.recompute, undefined)) {
        for (let k = 0; k < family.size(chunks); k++) {
          const recompute = family.member(k, chunks);
          const candidate = { count, pricing: "on_demand", contextLength, globalBatch, parallel, recompute, offload: "none", chunks };
          evaluated++;
          if (model.evaluate(context, candidate).fits) fits++;
        }
      }
    }
  }
  return { evaluated, fits, cpuSeconds: used() };
}
export function run(text, root) {
  const problemNow = problemOf(text, root);
  const start = performance.now();
  const cpu = process.cpuUsage();
  const problem = problemNow();
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
  const { run, evaluateAll } = await import(out);
  return { run: (text) => run(text, root), evaluateAll: (text, seconds) => evaluateAll(text, root, seconds) };
}

export const strategies = (r) =>
  `${r.cpuSeconds.toFixed(2)} s of one core (${r.seconds.toFixed(2)} s on the clock) · ${r.considered} considered, ${r.evaluated} evaluated · ${Math.round(
    r.considered / r.cpuSeconds,
  )} strategies a second`;
