/**
 * How fast the search is: `node bench/search.mjs [--stand-in]`. Two problems with all axes open: Llama 3.1 405B on 1,024
 * p5.48xlarge (8,192 GPUs) and a 1T-parameter mixture of experts on 2,048 (16,384 GPUs), each in a fresh process. Prints
 * strategies a second, where a strategy is a layout with one way of recomputing. `--stand-in`: with the tests' small cost
 * model, for the search alone.
 */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { loadSearch, strategies } from "./search-problem.mjs";

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

const only = process.argv.find((a) => a.startsWith("--problem="));
if (only === undefined) {
  for (const i of problems.keys())
    execFileSync(
      process.execPath,
      [...process.execArgv, fileURLToPath(import.meta.url), ...process.argv.slice(2), `--problem=${i}`],
      { stdio: "inherit" },
    );
} else {
  const { run } = await loadSearch(process.argv.includes("--stand-in"));
  const [name, text] = problems[Number(only.slice("--problem=".length))];
  const r = run(text);
  const best = r.front[0];
  console.log(`${name}: ${strategies(r)} · ${r.complete ? "optimal" : "not proven"}`);
  if (best !== undefined)
    console.log(
      `  ${best.configuration.context.engine.name}, step ${best.stepSeconds.toFixed(2)} s: ${JSON.stringify(best.candidate.parallel)}`,
    );
}
