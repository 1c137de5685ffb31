import { afterAll, expect, it } from "vitest";
import { check } from "../../src/checker/index.js";
import { nodeHost } from "../../src/cli/host.js";
import { bundledHardware } from "../../src/hardware/index.js";
import { parse } from "../../src/parser/index.js";
import { plan as makePlan } from "../../src/planner/index.js";
import type { Plan } from "../../src/planner/plan.js";
import { rehearse, tolerance } from "../../src/runtime/parallel/index.js";
import { buildWorker } from "./helpers.js";

const { file: workerFile, remove } = buildWorker();
afterAll(remove);

/** Llama 3 8B on P5 machines, laid out as said. */
function planned(parallel: string, recompute = "selective"): Plan {
  const text = `import "std/llama3"
dataset d { source = "s3://example/d", tokens = 1B }
cluster p5 { provider = sagemaker, instance = ml.p5.48xlarge, count = 4, region = "us-east-1", role = "arn:aws:iam::111122223333:role/r" }
train t {
  objective = pretrain, model = llama3_8b, data = d, steps = 10, batch = 64 sequences, precision = bf16
  parallel = { ${parallel} }
  recompute = ${recompute}
  on = p5
}
`;
  const { value: ast } = parse({ path: "t.llmp", text });
  const { value: pipeline } = check(ast, nodeHost(), {});
  const { value, diagnostics } = makePlan(pipeline!, bundledHardware());
  if (value === undefined) throw new Error(JSON.stringify(diagnostics));
  return value;
}

it("rehearses tensor with sequence, an interleaved pipeline, sharded data and recomputation of a cluster's plan", async () => {
  const plan = planned("tensor = 4, pipeline = 2, virtual = 2, schedule = interleaved, shard = zero1, micro_batch = 1");
  const [rehearsal] = await rehearse(plan, { workerFile });
  expect(rehearsal!.axes.map((a) => a.axis)).toEqual(["tensor", "pipeline", "data", "recompute", "all"]);
  expect(rehearsal!.axes.map((a) => a.workers)).toEqual([2, 2, 2, 1, 8]);
  for (const axis of rehearsal!.axes) {
    expect(axis.loss).toBeLessThan(tolerance);
    expect(axis.weights).toBeLessThan(tolerance);
  }
  expect(rehearsal!.misplaced).toEqual([]);
  expect(rehearsal!.same).toBe(true);
  // It does train.
  expect(rehearsal!.layout.at(-1)).toBeLessThan(rehearsal!.layout[0]!);
});

it("says which weights do not lie where the plan says", async () => {
  const plan = planned("tensor = 2, pipeline = 1, context = 1, shard = zero3");
  const [stage] = plan.stages;
  const tensors = stage!.layout.tensors.map((t) =>
    t.name.includes("down_proj") ? { ...t, placement: { ...t.placement, tensor: "shard(0)" } } : t,
  );
  const wrong: Plan = { ...plan, stages: [{ ...stage!, layout: { ...stage!.layout, tensors } }] };
  const [rehearsal] = await rehearse(wrong, { workerFile });
  expect(rehearsal!.same).toBe(false);
  expect(rehearsal!.misplaced).toEqual([
    "model.layers.{layer}.mlp.down_proj.weight: shard(1) on the tensor axis, and the plan says shard(0)",
  ]);
});
