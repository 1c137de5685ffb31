/** This machine as the planner takes it, and the small models that calibration trains. */
import { availableParallelism, totalmem } from "node:os";
import type { ModelGraph } from "../model/graph.js";
import type { LocalMachine } from "../planner/types.js";

/** By backend: measured figures, else those of a common machine with as many cores and as much memory as this one. */
export async function thisMachine(): Promise<(backend: string | undefined) => LocalMachine> {
  const { bestBackend, backendNames } = await import("../runtime/backend/index.js");
  const { readMachine } = await import("../runtime/calibrate/index.js");
  const { uncalibrated } = await import("../planner/index.js");
  return (backend) => {
    const name = backendNames.find((n) => n === backend) ?? bestBackend();
    return readMachine(name) ?? uncalibrated(name, availableParallelism(), totalmem());
  };
}

const probe = (name: string, hidden: number, vocab: number): string => `
model ${name} {
  architecture = llama
  layers = 2
  hidden = ${hidden}
  heads = ${hidden / 64}
  ffn = ${hidden * 3}
  vocab = ${vocab}
  context_length = 512
}
train ${name}_run { objective = pretrain, model = ${name}, data = nothing, batch = 1 sequences, tokens = 1M }
`;

/** One that its matrix products dominate, and one with more of everything else. */
export async function probeGraphs(): Promise<readonly ModelGraph[]> {
  const { parse } = await import("../parser/index.js");
  const { check } = await import("../checker/index.js");
  const { buildModel } = await import("../model/index.js");
  const { nodeHost } = await import("./host.js");
  const text = `
dataset nothing { source = "s3://nothing/nothing.txt", tokens = 1M }

${probe("wide", 512, 8192)}${probe("narrow", 128, 512)}`;
  const parsed = parse({ path: "calibrate.llmp", text });
  const { value, diagnostics } = check(parsed.value, nodeHost());
  if (value === undefined) throw new Error(diagnostics.map((d) => d.message).join("\n"));
  return ["wide", "narrow"].map((name) => buildModel(value, name));
}
