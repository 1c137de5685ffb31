/** The adapter that llmp's own runtime would start from, in PEFT's format: another engine then starts from the same one. */
import path from "node:path";
import type { Stage } from "../../checker/pipeline.js";
import { buildModel } from "../../model/index.js";
import type { Plan } from "../../planner/plan.js";
import { storedWeights } from "../../program/index.js";
import { initialValues } from "../../runtime/train/index.js";
import { splitAdapter, writeAdapter } from "../../runtime/weights/index.js";

/** Folder of a stage's prepared data in which it lies. */
export const adapterFolder = "adapter";

/** True where the stage has an adapter, and it was written. */
export function writeStartingAdapter({ pipeline }: Plan, stage: Stage, folder: string): boolean {
  const adapter = stage.adapter === undefined ? undefined : pipeline.adapters[stage.adapter.value];
  if (adapter === undefined) return false;
  const graph = buildModel(pipeline, stage.model.value, { adapter: adapter.name, freeze: stage.freeze.value });
  const { lora } = splitAdapter(
    storedWeights(graph)
      .filter((w) => w.name.includes(".lora_"))
      .map((w) => ({ name: w.name, shape: w.spec.shape, values: initialValues(w, stage.seed.value) })),
  );
  writeAdapter(path.join(folder, adapterFolder), lora, adapter, stage.model.value, graph);
  return true;
}
