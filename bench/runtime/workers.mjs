/**
 * Tokens per second of two data-parallel workers over those of one, at equal batch per worker (fp32, AdamW, WASM). Rounds of
 * both are interleaved in one run, so that other load meets both; on a quiet machine with two cores the ratio is the figure:
 *   node bench/runtime/workers.mjs [ROUNDS]
 */
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("../..", import.meta.url));
const rounds = Number(process.argv[2] ?? 8);
const shape = { layers: 4, hidden: 256, heads: 4, kvHeads: 4, ffn: 688, vocab: 4096, std: 0.02 };
const length = 256;
const perWorker = 8;
// Beside node_modules, so that TensorFlow.js is found.
const cache = join(root, "node_modules/.cache");
const common = { bundle: true, platform: "node", format: "esm", external: ["@tensorflow/*"] };
const file = join(cache, "llmp-bench-worker.mjs");
await build({ ...common, entryPoints: [join(root, "src/runtime/parallel/worker.ts")], outfile: file });
const out = join(cache, "llmp-bench-team.mjs");
await build({
  ...common,
  outfile: out,
  stdin: {
    resolveDir: root,
    contents: `
      export { Pool, Team } from "./src/runtime/parallel/index.ts";
      export { llama } from "./test/runtime/graphs.ts";`,
  },
});
const { Pool, Team, llama } = await import(pathToFileURL(out).href);

const job = (data) => ({
  graph: llama(shape),
  parallel: {
    ...{ data, shard: "none", shard_group: 1, tensor: 1, sequence: false, pipeline: 1, virtual: 1 },
    ...{ context: 1, expert: 1, micro_batch: perWorker, accumulation: 1, schedule: "1f1b" },
  },
  chunks: [{ rank: 0, first: 0, last: shape.layers + 1 }],
  recompute: [],
  optimizer: "adamw",
  objective: { kind: "pretrain", options: {} },
  compute: "fp32",
  contextLength: length,
  seed: 1,
  tensors: new Map(),
});
const batch = (sequences) => {
  const n = sequences * length;
  const ids = Int32Array.from({ length: n }, (_, i) => (i * 7919) % shape.vocab);
  return { sequences, length, tokens: ids, targets: ids, weights: new Float32Array(n).fill(1) };
};
const teams = [];
for (const data of [1, 2]) teams.push(await Team.open(job(data), await Pool.start(data, { file })));
let t = 0;
const update = () => ({ lr: 1e-3, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1, clip: 1, t, lossScale: 1 });
/** Tokens per second, and the share of a step that the update with its all-reduce takes. */
async function step(team, data) {
  const rows = perWorker * data;
  const before = process.cpuUsage();
  const began = performance.now();
  await team.run(batch(rows), 1 / (rows * length));
  const ran = performance.now();
  await team.update(update());
  const ended = performance.now();
  const { user, system } = process.cpuUsage(before);
  return {
    cpu: (user + system) / (rows * length),
    speed: (1000 * rows * length) / (ended - began),
    update: (ended - ran) / (ended - began),
  };
}
const measured = [[], []];
for (let round = 0; round < rounds + 2; round++) {
  t++;
  for (const [i, data] of [1, 2].entries()) {
    const result = await step(teams[i], data);
    if (round >= 2) measured[i].push(result);
  }
}
for (const team of teams) await team.pool.end();
const median = (list) => list.sort((a, b) => a - b)[Math.floor(list.length / 2)];
const speeds = measured.map((runs) => median(runs.map((r) => r.speed)));
const ratios = measured[1].map((r, i) => r.speed / measured[0][i].speed);
console.log(
  JSON.stringify({
    tokens_per_second: { one: Math.round(speeds[0]), two: Math.round(speeds[1]) },
    ratio_of_medians: +(speeds[1] / speeds[0]).toFixed(3),
    best_ratio: +Math.max(...ratios).toFixed(3),
    median_ratio: +median(ratios).toFixed(3),
    // What two workers need more of the processor for each token: also meaningful beside other load.
    cpu_per_token_ratio: +(median(measured[1].map((r) => r.cpu)) / median(measured[0].map((r) => r.cpu))).toFixed(3),
    update_share: measured.map((runs) => +median(runs.map((r) => r.update)).toFixed(3)),
  }),
);
