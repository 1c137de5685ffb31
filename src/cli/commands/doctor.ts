import { availableParallelism, totalmem } from "node:os";
import { Command } from "commander";
import type { LocalMachine } from "../../planner/types.js";
import { formatBytes, formatFlops, formatSeconds } from "../../units/index.js";
import { reported } from "../failures.js";
import { examples } from "../help.js";
import { answer, answerJson } from "../output.js";

/** `llmp doctor` */
export function command(): Command {
  return examples(
    new Command("doctor")
      .description("Show what this machine can run, and measure it")
      .option("--calibrate", "measure this machine; plans for it use the figures")
      .option("--json", "print JSON")
      .action((options: { calibrate?: boolean; json?: boolean }) => reported(() => doctor(options))),
    ["llmp doctor", "llmp doctor --calibrate --json"],
  );
}

async function doctor(options: { calibrate?: boolean; json?: boolean }): Promise<void> {
  const { calibrate, readMachine } = await import("../../runtime/calibrate/index.js");
  const { startBackend } = await import("../../runtime/backend/index.js");
  await startBackend("wasm");
  const machine = options.calibrate === true ? await calibrate() : readMachine();
  const facts = {
    node: process.versions.node,
    cores: availableParallelism(),
    memory_bytes: totalmem(),
    backends: { wasm: true },
    machine: machine ?? null,
  };
  if (options.json === true) answerJson(facts);
  else answer([...lines(facts), ...(machine === undefined ? [hint] : measured(machine))].join("\n"));
}

const hint = "not measured yet: llmp doctor --calibrate";
const lines = (f: { node: string; cores: number; memory_bytes: number }): string[] => [
  `Node ${f.node}, ${f.cores} cores, ${formatBytes(f.memory_bytes)}`,
  "backend wasm: works",
];
const measured = (m: LocalMachine): string[] => [
  `matrix products ${formatFlops(m.matmulFlops)}/s`,
  `memory ${formatBytes(m.elementwiseBandwidth)}/s`,
  `a call ${formatSeconds(m.kernelLaunchSeconds)}`,
];
