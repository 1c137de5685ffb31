import type { ModelGraph } from "../model/graph.js";
import type { ParallelPlan } from "../planner/plan.js";

/** Those whose update of a part of a weight is the part of its update. */
const onAnyPart = ["adamw", "sgd", "lion"];

/** Axes that split a weight or a product; one that is not decided yet is left out. */
export type Degrees = Partial<Pick<ParallelPlan, "tensor" | "context" | "shard">>;

/**
 * Why our own runtime cannot train under a layout of workers; undefined: it can. The planner and the runtime ask.
 * @param fp8 products are rounded to 8 bits, by scales of this step or of those before
 */
export function layoutRefusal(
  optimizer: string,
  fp8: boolean | "delayed",
  graph: ModelGraph,
  { tensor = 1, context = 1, shard = "none" }: Degrees,
): string | undefined {
  if (!onAnyPart.includes(optimizer) && (tensor > 1 || shard !== "none"))
    return `the optimizer ${optimizer} needs whole weights, which tensor parallelism and sharding split`;
  if (fp8 === "delayed")
    return "delayed fp8 scales come from the largest values of whole batches, which workers share out";
  if (fp8 && tensor * context > 1)
    return "fp8 scales are those of whole tensors, which the tensor and context axes split";
  const ops = Object.values(graph.kinds).flatMap((kind) => kind.ops);
  const drops = ops.some((op) => op.kind === "dropout" && op.attrs.adapter === true);
  if (drops && (tensor > 1 || ops.some((op) => op.kind === "router")))
    return "an adapter's dropout sees whole inputs, which the tensor axis and experts split";
  return undefined;
}
