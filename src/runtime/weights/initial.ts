/** Where a stage's weights come from: the stage before, a folder of weights, or nowhere (then they are made anew). */
import { existsSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import type { Pipeline, Stage } from "../../checker/pipeline.js";
import { type Diagnostic, runCodes } from "../../diagnostics/index.js";
import type { ModelGraph } from "../../model/graph.js";
import { fail } from "../failure.js";
import type { WeightStore } from "../interfaces.js";
import { openWeights } from "./folder.js";
import { forGraph } from "./names.js";

export interface WeightSource {
  /** Name in `models`. */
  readonly model: string;
  /** Folder with safetensors; absent: none. */
  readonly folder?: string;
}

export interface WeightPlaces {
  readonly pipeline: Pipeline;
  /** Folder of the root file. */
  readonly root: string;
  /** `runs/NAME`: earlier stages' `final/` lie in it. */
  readonly runFolder: string;
}

/** A stage's start. */
export function initialSource(stage: Stage, places: WeightPlaces): WeightSource {
  return stage.startsFrom === undefined
    ? modelSource(stage.model.value, places)
    : { ...namedSource(stage.startsFrom, places), model: stage.model.value };
}

/** What a `teacher` or `reference` names: a stage's result, or a model with weights. */
export function namedSource(name: string, places: WeightPlaces): WeightSource {
  const stage = places.pipeline.stages.find((s) => s.name === name);
  if (stage === undefined) return modelSource(name, places);
  const folder = join(places.runFolder, name, "final");
  if (!existsSync(folder))
    fail(
      runCodes.report(
        "LLMP6203",
        stage.span,
        { path: folder, why: `stage ${name} has not finished` },
        {
          hints: ["stages run in order; `llmp run --resume` finishes the ones before"],
        },
      ),
    );
  return { model: stage.model.value, folder };
}

function modelSource(name: string, { pipeline, root }: WeightPlaces): WeightSource {
  const weights = pipeline.models[name]?.weights?.value;
  if (weights === undefined) return { model: name };
  return { model: name, folder: isAbsolute(weights) ? weights : resolve(root, weights) };
}

/** Opens them under the graph's names; what the model has no place for is told once. */
export function openSourceWeights(
  source: WeightSource,
  graph: ModelGraph,
): { store?: WeightStore; diagnostics: readonly Diagnostic[] } {
  if (source.folder === undefined) return { diagnostics: [] };
  const store = forGraph(openWeights(source.folder), graph, source.folder);
  const { unused } = store;
  const names = unused.slice(0, 3).join(", ") + (unused.length > 3 ? ", …" : "");
  const diagnostics =
    unused.length === 0
      ? []
      : [runCodes.report("LLMP6204", undefined, { path: source.folder, count: unused.length, names })];
  return { store, diagnostics };
}
