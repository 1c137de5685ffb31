/**
 * Tokens per second of a training step (forward, backward, AdamW, fp32) of a Llama-style model on our runtime, and where they
 * go, beside PyTorch eager on one thread where `--python` names an interpreter with torch. Run on a quiet machine:
 *   node bench/runtime/train.mjs [--backend wasm | tensorflow | cpu] [--python PYTHON]
 */
import { execFileSync } from "node:child_process";
import { availableParallelism, totalmem } from "node:os";
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
      export { predictLocal, uncalibrated } from "./src/planner/local/index.ts";
      export { readMachine } from "./src/runtime/calibrate/index.ts";
      export { train } from "./src/runtime/calibrate/fit.ts";
      export { llama } from "./test/runtime/graphs.ts";`,
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
const { algebra, meter } = await m.startBackend(name);
const machine = m.readMachine(name) ?? m.uncalibrated(name, availableParallelism(), totalmem());
const graph = m.llama(shape);
const n = shape.length * shape.sequences;

// Seconds inside each operation of the algebra; those that it calls itself count for the caller.
const split = new Map();
let inside = false;
const timed = new Proxy(algebra, {
  get(target, key) {
    const value = target[key];
    if (typeof value !== "function") return value;
    return (...args) => {
      if (inside) return value.apply(target, args);
      inside = true;
      const began = performance.now();
      try {
        return value.apply(target, args);
      } finally {
        inside = false;
        split.set(key, (split.get(key) ?? 0) + (performance.now() - began) / 1000);
      }
    };
  },
});
const times = [];
const work = [];
let began = performance.now();
let cpu = process.cpuUsage();
m.train(timed, { graph, sequences: shape.sequences, length: shape.length }, 9, (step) => {
  const used = process.cpuUsage(cpu);
  if (step > 1) {
    times.push((performance.now() - began) / 1000);
    work.push((used.user + used.system) / 1e6);
  } else split.clear();
  began = performance.now();
  cpu = process.cpuUsage();
});
const median = (list) => list.sort((a, b) => a - b)[Math.floor(list.length / 2)];
const predicted = m.predictLocal(
  graph,
  { contextLength: shape.length, recompute: [], parallel: { micro_batch: shape.sequences, accumulation: 1 } },
  machine,
);
const seconds = median(times);
const result = {
  machine,
  [name]: {
    tokens_per_second: n / seconds,
    step_seconds: seconds,
    /** Of all threads: what a busy machine leaves comparable. */
    cpu_seconds: median(work),
    predicted_step_seconds: predicted.stepSeconds,
    peak_bytes: meter.peak,
    predicted_peak_bytes: predicted.peakBytes,
    split: Object.fromEntries(
      [...split]
        .sort((a, b) => b[1] - a[1])
        .slice(0, 8)
        .map(([k, s]) => [k, s / 7]),
    ),
  },
};
const python = process.argv.indexOf("--python");
if (python > 0) {
  const script = fileURLToPath(new URL("torch_train.py", import.meta.url));
  const torch = JSON.parse(
    execFileSync(process.argv[python + 1], [script, JSON.stringify(shape)], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }),
  );
  result.torch = torch;
  result.ratio = torch.step_seconds / seconds;
  result.cpu_ratio = torch.cpu_seconds / result[name].cpu_seconds;
}
console.log(JSON.stringify(result, undefined, 2));
