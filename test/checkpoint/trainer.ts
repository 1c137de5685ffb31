/** Child process of the resume test: trains a small model on real data to the end, from its newest checkpoint. */
import { join } from "node:path";
import type { Stage } from "../../src/checker/pipeline.js";
import { startBackend } from "../../src/runtime/backend/index.js";
import { openCheckpoints } from "../../src/runtime/checkpoint/index.js";
import { type StageInput, trainStage } from "../../src/runtime/train/index.js";
import { dataset, openTest } from "../data/helpers.js";
import { llama } from "../runtime/graphs.js";

const [root = "", name = ""] = process.argv.slice(2);
const known = <T>(value: T) => ({ value, from: "default" as const });
const steps = 60;
const graph = llama({ vocab: 260, hidden: 32, heads: 4, kvHeads: 2, ffn: 48, layers: 2 });
const { source } = await openTest({
  root,
  datasets: [dataset("a", "a.txt"), dataset("b", "b.txt")],
  length: 32,
  sequences: 4,
  steps,
});
const stage = {
  name,
  objective: { kind: "pretrain", options: {} },
  seed: known(7),
  save: known({ unit: "steps", amount: 2 }),
  optimizer: known({
    kind: "adamw",
    lr: 1e-2,
    minLr: 1e-3,
    weightDecay: 0.1,
    beta1: 0.9,
    beta2: 0.95,
    eps: 1e-8,
    clip: 1,
    schedule: { kind: "cosine", warmup: { unit: "steps", amount: 3 }, decay: 0.1 },
  }),
} as unknown as Stage;
const input = {
  graph,
  stage,
  plan: {
    name,
    steps,
    context_length: 32,
    global_batch: 4,
    parallel: { micro_batch: 2 },
    recompute: { layers: [] },
    memory: { peak_bytes: 1 },
    time: { step_seconds: 1 },
  },
  precision: { compute: known("fp32"), lossScale: known("none") },
  backend: await startBackend("wasm"),
  source,
  checkpoints: openCheckpoints({ stageFolder: join(root, name), planHash: "p", files: {} }),
  resume: true,
} as unknown as StageInput;
for await (const event of trainStage(input)) if (event.kind === "stage") console.log(`from ${event.startStep}`);
