/** A worker that dies in the middle of a step when the file that LLMP_TEST_KILL names is there: once, or (it says so) always. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";

const marker = process.env.LLMP_TEST_KILL ?? "";
const { links } = workerData as { readonly links: { readonly rank: number } };
let steps = 0;
parentPort?.on("message", (ask: { readonly kind: string }) => {
  if (ask.kind !== "run" || links.rank !== 1 || ++steps < 6 || !existsSync(marker)) return;
  if (readFileSync(marker, "utf8") !== "always") rmSync(marker);
  process.exit(9);
});
await import("../../src/runtime/parallel/worker.js");
