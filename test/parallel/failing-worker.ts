/**
 * A worker that dies in the middle of a step when the file that LLMP_TEST_KILL names is there: once, or (it says so) always;
 * or whose WASM heap is full by then.
 */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import * as tf from "@tensorflow/tfjs-core";

const marker = process.env.LLMP_TEST_KILL ?? "";
const { links } = workerData as { readonly links: { readonly rank: number } };
let steps = 0;
parentPort?.on("message", (ask: { readonly kind: string }) => {
  if (ask.kind !== "run" || links.rank !== 1 || ++steps < 6 || !existsSync(marker)) return;
  const what = readFileSync(marker, "utf8");
  if (what === "heap") return fillHeap();
  if (what !== "always") rmSync(marker);
  process.exit(9);
});

/** Takes all that the allocator gives, in ever smaller pieces; nothing of it is written to. */
function fillHeap(): void {
  const backend = tf.backend() as unknown as { readonly wasm: { _malloc(bytes: number): number } };
  for (let bytes = 2 ** 28; bytes >= 64; bytes /= 4) while (backend.wasm._malloc(bytes) !== 0);
}
await import("../../src/runtime/parallel/worker.js");
