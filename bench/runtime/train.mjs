/**
 * Tokens per second of a training step (forward, backward, AdamW, fp32) of a Llama-style model on our WASM runtime, beside
 * PyTorch eager on one thread where `--python` names an interpreter with torch. Run on a quiet machine:
 *   node bench/runtime/train.mjs [--python PYTHON]
 */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("../..", import.meta.url));
const shape = { layers: 4, hidden: 256, heads: 4, kvHeads: 4, ffn: 688, vocab: 4096, length: 256, sequences: 8 };
// Beside node_modules, so that TensorFlow.js is found.
const out = join(root, "node_modules/.cache/llmp-bench.mjs");
await build({
  stdin: {
    resolveDir: root,
    contents: `
      export { startBackend } from "./src/runtime/backend/index.ts";
      export * from "./src/program/index.ts";
      export { predictLocal } from "./src/planner/local/index.ts";
      export { calibrate } from "./src/runtime/calibrate/index.ts";
      export { llama } from "./test/runtime/graphs.ts";`,
  },
  bundle: true,
  platform: "node",
  format: "esm",
  external: ["@tensorflow/*"],
  outfile: out,
});
const m = await import(pathToFileURL(out).href);
const machine = await m.calibrate();
const { algebra, meter } = await m.startBackend("wasm");
const graph = m.llama(shape);
const n = shape.length * shape.sequences;
const state = m.makeState(algebra, graph, shape.length, ({ spec }) => {
  const size = spec.shape.reduce((a, b) => a * b, 1);
  return Float32Array.from({ length: size }, (_, i) => (spec.shape.length > 1 ? 0.02 * Math.sin(i * 12.9898) : 1));
});
const optimizer = m.makeOptimizer(algebra, state, "adamw");
const ids = Int32Array.from({ length: n }, (_, i) => (i * 7919) % shape.vocab);
const weights = new Float32Array(n).fill(1);
const times = [];
for (let t = 1; t <= 9; t++) {
  const began = performance.now();
  const batch = m.putBatch(algebra, {
    sequences: shape.sequences,
    length: shape.length,
    tokens: ids,
    targets: ids,
    weights,
  });
  algebra.free(m.microBatchStep(algebra, state, batch, [], 1 / n));
  batch.free();
  const hyper = { lr: 1e-3, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1, clip: 1, t, lossScale: 1 };
  m.applyUpdate(algebra, state, optimizer, hyper);
  if (t > 2) times.push((performance.now() - began) / 1000);
}
const median = times.sort((a, b) => a - b)[3];
const predicted = m.predictLocal(
  graph,
  { contextLength: shape.length, recompute: [], parallel: { micro_batch: shape.sequences, accumulation: 1 } },
  machine,
);
const ours = n / median;
const result = {
  machine,
  wasm: {
    tokens_per_second: ours,
    step_seconds: median,
    predicted_step_seconds: predicted.stepSeconds,
    peak_bytes: meter.peak,
    predicted_peak_bytes: predicted.peakBytes,
  },
};
const at = process.argv.indexOf("--python");
if (at > 0) {
  const script = fileURLToPath(new URL("torch_train.py", import.meta.url));
  const torch = JSON.parse(execFileSync(process.argv[at + 1], [script, JSON.stringify(shape)], { encoding: "utf8" }));
  result.torch = torch;
  result.ratio = ours / torch.tokens_per_second;
}
console.log(JSON.stringify(result, undefined, 2));
