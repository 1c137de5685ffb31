/** This machine as the planner takes it, and the small models that calibration trains. */
import { availableParallelism, totalmem } from "node:os";
import type { LocalMachine } from "../planner/types.js";
import type { Probe } from "../runtime/calibrate/index.js";

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

/** Each has more of something than the others: products, launches, attention, a large loss, experts' loops, rounding. */
const probes: readonly {
  readonly model: string;
  readonly sequences: number;
  readonly length: number;
  readonly compute?: string;
}[] = [
  {
    model: "architecture = llama, layers = 2, hidden = 512, heads = 8, ffn = 1536, vocab = 512",
    sequences: 1,
    length: 256,
  },
  {
    model: "architecture = llama, layers = 6, hidden = 96, heads = 4, ffn = 288, vocab = 400",
    sequences: 2,
    length: 64,
  },
  {
    model: "architecture = gpt2, layers = 3, hidden = 128, heads = 4, ffn = 512, vocab = 600",
    sequences: 1,
    length: 768,
  },
  {
    model: "architecture = llama, layers = 1, hidden = 128, heads = 4, ffn = 344, vocab = 12000",
    sequences: 2,
    length: 128,
  },
  {
    model:
      "architecture = mixtral, layers = 2, hidden = 96, heads = 4, ffn = 200, experts = 4, experts_per_token = 2, moe_ffn = 200, vocab = 500",
    sequences: 2,
    length: 128,
  },
  {
    model: "architecture = llama, layers = 2, hidden = 192, heads = 4, ffn = 520, vocab = 1500",
    sequences: 2,
    length: 96,
    compute: "bf16",
  },
  {
    model: "architecture = llama, layers = 3, hidden = 160, heads = 4, ffn = 430, vocab = 3000",
    sequences: 4,
    length: 160,
  },
];

export async function calibrationProbes(): Promise<readonly Probe[]> {
  const { parse } = await import("../parser/index.js");
  const { check } = await import("../checker/index.js");
  const { buildModel } = await import("../model/index.js");
  const { nodeHost } = await import("./host.js");
  const text = `
dataset nothing { source = "s3://nothing/nothing.txt", tokens = 1M }
${probes
  .map(
    ({ model }, i) => `
model m${i} {
  ${model.replaceAll(", ", "\n  ")}
  context_length = 1024
}
train t${i} { objective = pretrain, model = m${i}, data = nothing, batch = 1 sequences, tokens = 1M }`,
  )
  .join("\n")}
`;
  const parsed = parse({ path: "calibrate.llmp", text });
  const { value, diagnostics } = check(parsed.value, nodeHost());
  if (value === undefined) throw new Error(diagnostics.map((d) => d.message).join("\n"));
  return probes.map(({ model: _, ...shape }, i) => ({ ...shape, graph: buildModel(value, `m${i}`) }));
}
