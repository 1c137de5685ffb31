/**
 * Planned against measured seconds of a step, on this machine after `llmp doctor --calibrate` (done here first where it was
 * not), for models and shapes that calibration does not see. On a machine that does other work as well, the processor's
 * seconds are what one-thread backends are held to (`--clock` for the clock all the same).
 *   node bench/runtime/calibrated.mjs [--backend wasm | tensorflow] [--again] [--clock]
 */
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("../..", import.meta.url));
const out = join(root, "node_modules/.cache/llmp-bench-calibrated.mjs");
await build({
  stdin: {
    resolveDir: root,
    contents: `
      export { startBackend } from "./src/runtime/backend/index.ts";
      export { objectivePrograms, sharesWeights } from "./src/program/index.ts";
      export { predictLocal } from "./src/planner/local/index.ts";
      export { calibrate, readMachine } from "./src/runtime/calibrate/index.ts";
      export { clockOf } from "./src/runtime/calibrate/clock.ts";
      export { calibrationProbes } from "./src/cli/machine.ts";
      export { openHere } from "./src/runtime/train/here.ts";
      export { buildGraph } from "./src/model/index.ts";
      export { specOf } from "./test/runtime/models.ts";`,
  },
  bundle: true,
  platform: "node",
  format: "esm",
  external: ["@tensorflow/*"],
  outfile: out,
});
const m = await import(pathToFileURL(out).href);
const at = process.argv.indexOf("--backend");
const name = at > 0 ? process.argv[at + 1] : "wasm";
const known = (value) => ({ value, from: "default" });
const full = (layers) =>
  Array.from({ length: layers }, (_, i) => ({ layer: i + 1, mode: "full", ops: [], offload: [] }));

const cases = [
  ["wide", "architecture = llama, layers = 4, hidden = 256, heads = 4, ffn = 688, vocab = 4096", 8, 256],
  ["small", "architecture = llama, layers = 4, hidden = 128, heads = 4, kv_heads = 2, ffn = 384, vocab = 320", 16, 128],
  ["gpt2", "architecture = gpt2, layers = 6, hidden = 192, heads = 6, ffn = 768, vocab = 1000", 2, 512],
  ["tiny", "architecture = llama, layers = 8, hidden = 64, heads = 4, ffn = 176, vocab = 512", 4, 64],
  [
    "long",
    "architecture = gemma2, layers = 4, hidden = 160, heads = 4, kv_heads = 2, head_dim = 40, ffn = 480, vocab = 700, sliding_window = 128",
    1,
    1024,
  ],
  ["large vocabulary", "architecture = qwen2, layers = 2, hidden = 320, heads = 5, ffn = 900, vocab = 16000", 2, 200],
  [
    "experts",
    "architecture = mixtral, layers = 3, hidden = 128, heads = 4, experts = 4, experts_per_token = 2, moe_ffn = 256, ffn = 256, vocab = 2048",
    4,
    128,
  ],
  [
    "lora",
    "architecture = llama, layers = 4, hidden = 256, heads = 8, ffn = 700, vocab = 2000",
    4,
    200,
    { adapter: "lora" },
  ],
  [
    "recomputed",
    "architecture = llama, layers = 5, hidden = 192, heads = 6, ffn = 512, vocab = 6000",
    4,
    256,
    { recompute: full(5) },
  ],
  [
    "accumulated",
    "architecture = qwen3, layers = 3, hidden = 224, heads = 4, head_dim = 56, ffn = 600, vocab = 3000",
    3,
    160,
    { accumulation: 3 },
  ],
  [
    "dpo",
    "architecture = llama, layers = 3, hidden = 160, heads = 4, ffn = 430, vocab = 1500",
    3,
    128,
    { objective: { kind: "dpo", options: { beta: known(0.1) } } },
  ],
  [
    "bf16",
    "architecture = llama, layers = 3, hidden = 192, heads = 4, ffn = 512, vocab = 2000",
    4,
    128,
    { compute: "bf16" },
  ],
];

if (process.argv.includes("--again") || m.readMachine(name) === undefined)
  await m.calibrate(name, await m.calibrationProbes());
const machine = m.readMachine(name);
const backend = await m.startBackend(name);
const clock = process.argv.includes("--clock") ? () => performance.now() / 1000 : m.clockOf(name);
const median = (list) => list.sort((a, b) => a - b)[Math.floor(list.length / 2)];
const adapterOf = (kind) => ({
  name: "a",
  kind: known(kind),
  rank: known(8),
  alpha: known(16),
  dropout: known(0),
  targets: known(["all_linear"]),
});

const errors = [];
for (const [title, block, micro, length, more = {}] of cases) {
  const { adapter, recompute = [], accumulation = 1, compute = "fp32" } = more;
  const objective = more.objective ?? { kind: "pretrain", options: {} };
  const spec = m.specOf(`${block}, context_length = ${Math.max(1024, length)}`);
  const plain = m.buildGraph(spec);
  const graph = adapter === undefined ? plain : m.buildGraph(spec, { adapter: adapterOf(adapter) });
  const stage = { name: "s", objective, seed: known(7), optimizer: known({ kind: "adamw" }) };
  const program = m.objectivePrograms[objective.kind];
  const other = program.role(objective.options) === undefined ? {} : { other: plain };
  const parallel = { micro_batch: micro, accumulation, data: 1 };
  const planned = m.predictLocal(graph, { contextLength: length, recompute, parallel }, machine, {
    compute,
    objective,
    ...other,
  }).stepSeconds;
  const executor = await m.openHere(
    {
      graph,
      stage,
      plan: { context_length: length, parallel, recompute: { layers: recompute } },
      precision: { compute: known(compute), recipe: known("") },
      backend,
      ...(other.other === undefined ? {} : { other: { graph: plain } }),
    },
    new Map(),
  );
  const sequences = micro * accumulation * program.rows(objective.options);
  const n = sequences * length;
  const ids = Int32Array.from({ length: n }, (_, i) => (i * 7919) % graph.vocab);
  const batch = { sequences, length, tokens: ids, targets: ids, weights: new Float32Array(n).fill(1) };
  const times = [];
  for (let t = 1; t <= 7; t++) {
    const began = clock();
    await executor.run(batch, 1 / n);
    await executor.update({ lr: 1e-4, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1, clip: 1, t, lossScale: 1 });
    if (t > 2) times.push(clock() - began);
  }
  await executor.close();
  const measured = median(times);
  const error = planned / measured - 1;
  errors.push(Math.abs(error));
  console.log(
    `${title.padEnd(18)} planned ${(1000 * planned).toFixed(1).padStart(8)} ms   measured ${(1000 * measured).toFixed(1).padStart(8)} ms   ${(100 * error).toFixed(1).padStart(6)}%`,
  );
}
const sorted = [...errors].sort((a, b) => a - b);
console.log(
  `${name}: median ${(100 * sorted[Math.floor(sorted.length / 2)]).toFixed(1)}%, worst ${(100 * sorted.at(-1)).toFixed(1)}%, within 15%: ${errors.filter((e) => e <= 0.15).length} of ${errors.length}`,
);
