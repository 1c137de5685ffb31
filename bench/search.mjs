/**
 * How fast the search is: `node bench/search.mjs [--stand-in]`. Two problems with all axes open: Llama 3.1 405B on 1,024
 * p5.48xlarge (8,192 GPUs) and a 1T-parameter mixture of experts on 2,048 (16,384 GPUs). Prints strategies a second, where a
 * strategy is a layout with one way of recomputing. `--stand-in`: with the tests' small cost model, for the search alone.
 */
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const standIn = process.argv.includes("--stand-in");
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

const file = (model, count, batch, context) => `
import "std/llama3"
import "std/deepseek"
dataset web { source = "s3://corpus/web/*.parquet", field = "text", tokens = 15T }
${model}
cluster c { provider = slurm, instance = p5.48xlarge, count = ${count} }
train base {
  objective = pretrain
  model = m
  data = web
  tokens = 15T
  batch = ${batch} sequences
  context_length = ${context}
  precision = bf16
  on = c
  save = every 30min
}`;
const problems = [
  ["Llama 3.1 405B, 8,192 GPUs", file("model m: llama3_1_405b { context_length = 8Ki }", 1024, 2048, "8Ki")],
  [
    "1T mixture of experts, 16,384 GPUs",
    file("model m: deepseek_v3 { layers = 92, context_length = 4Ki }", 2048, 16384, "4Ki"),
  ],
];
for (const [name, text] of problems) {
  const r = run(text, root);
  const best = r.front[0];
  console.log(
    `${name}: ${r.cpuSeconds.toFixed(2)} s of one core (${r.seconds.toFixed(2)} s on the clock) · ${r.considered} considered, ${r.evaluated} evaluated · ${Math.round(r.considered / r.cpuSeconds)} strategies/s · ${
      r.complete ? "optimal" : "not proven"
    }`,
  );
  if (best !== undefined)
    console.log(
      `  ${best.configuration.context.engine.name}, step ${best.stepSeconds.toFixed(2)} s: ${JSON.stringify(best.candidate.parallel)}`,
    );
}
