import { readFileSync } from "node:fs";
import path from "node:path";
import { check } from "../../src/checker/index.js";
import { bundledHardware } from "../../src/hardware/index.js";
import { buildModel } from "../../src/model/index.js";
import { parse } from "../../src/parser/index.js";
import { toChunks } from "../../src/planner/layout/chunks.js";
import { oneDevice, type ParallelPlan, type RecomputeLayer } from "../../src/planner/plan.js";
import { stageProblem } from "../../src/planner/search/problem.js";
import type { Candidate, StageContext } from "../../src/planner/types.js";

const root = path.join(import.meta.dirname, "../..");

/** The context of the first stage of a program, on its first instance. */
export function contextOf(text: string): StageContext {
  const host = {
    read: (p: string) => {
      try {
        return readFileSync(path.join(root, p), "utf8");
      } catch {
        return undefined;
      }
    },
    glob: () => [],
    now: () => 0,
    env: () => undefined,
  };
  const ast = parse({ path: "main.llmp", text });
  const checked = check(ast.value!, host as never, {});
  const errors = [...ast.diagnostics, ...checked.diagnostics].filter((d) => d.severity === "error");
  if (checked.value === undefined || errors.length > 0) throw new Error(errors.map((d) => d.message).join("\n"));
  const pipeline = checked.value;
  const { problem, diagnostics } = stageProblem(pipeline, pipeline.stages[0]!, bundledHardware(), buildModel, {});
  if (problem === undefined) throw new Error(diagnostics.map((d) => d.message).join("\n"));
  return problem.configurations[0]!.context;
}

export const program = (model: string, stage = "", extra = ""): string => `
import "std/${model.split(" ")[0]}"
dataset web { source = "web/*.jsonl", field = "text", tokens = 10B }
mix all { web = 100% }
cluster p5 { provider = sagemaker, instance = ml.p5.48xlarge, count = 1..64, region = "us-east-1", pricing = on_demand }
${extra}
train base {
  objective = pretrain
  model = ${model.split(" ")[1]}
  data = all
  tokens = 1B
  batch = 512 sequences
  context_length = 4096
  precision = bf16
  optimizer = adamw { lr = 3e-4 }
  on = p5
  ${stage}
}
`;

export const parallel = (more: Partial<ParallelPlan> = {}): ParallelPlan => ({
  ...oneDevice,
  data: 8,
  shard: "zero1",
  accumulation: 8,
  ...more,
});

export function candidateOf(
  context: StageContext,
  p: ParallelPlan,
  mode: RecomputeLayer["mode"] = "none",
  length = 4096,
): Candidate {
  const { stack } = context.policy;
  const layers = stack.length - 2;
  const chunks = p.pipeline * p.virtual;
  const sizes = Array.from({ length: chunks }, (_, c) => Math.floor(layers / chunks) + (c < layers % chunks ? 1 : 0));
  return {
    count: Math.max(1, (p.data * p.tensor * p.pipeline * p.context) / context.instance.accelerators),
    pricing: "on_demand",
    contextLength: length,
    globalBatch: p.data * p.micro_batch * p.accumulation,
    parallel: p,
    recompute: stack.map((_, layer) => ({
      layer,
      mode: layer === 0 || layer === stack.length - 1 ? ("none" as const) : mode,
      ops: [],
      offload: [],
    })),
    offload: "none",
    chunks: toChunks(sizes, p.pipeline, p.schedule),
  };
}
