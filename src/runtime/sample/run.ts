/** The model of a run: its finished weights, or those of its newest whole checkpoint. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import type { ModelSpec, Pipeline, Stage } from "../../checker/pipeline.js";
import { runCodes } from "../../diagnostics/index.js";
import type { ModelGraph } from "../../model/graph.js";
import { loadLatest } from "../checkpoint/index.js";
import { fail } from "../failure.js";
import type { NamedTensor, OpenLanguageModel, WeightStore } from "../interfaces.js";
import type { RunInfo } from "../metrics/index.js";
import { stageTokenizer, type TextTokenizer, tokenizerFromFile } from "../tokenizer/index.js";
import { forGraph, mergeAdapter, openWeights, splitAdapter } from "../weights/index.js";
import type { LanguageModel } from "./types.js";

export interface OpenedRun {
  readonly model: LanguageModel;
  readonly tokenizer: TextTokenizer;
  readonly pipeline: Pipeline;
  readonly stage: Stage;
  /** Folder of the run's file: data paths are relative to it. */
  readonly root: string;
  /** `final`, or the step of the checkpoint. */
  readonly from: "final" | number;
}

export interface OpenRunOptions {
  readonly stage?: string;
  readonly backend?: string;
  readonly buildGraph: (spec: ModelSpec) => ModelGraph;
  readonly open: OpenLanguageModel;
}

export async function openRun(run: RunInfo, options: OpenRunOptions): Promise<OpenedRun> {
  const lacks = (what: string, ...hints: string[]): never =>
    fail(runCodes.report("LLMP6402", undefined, { name: run.name, what }, { hints }));
  const plan = run.plan ?? lacks("plan.json");
  const { pipeline } = plan;
  const has = (name: string) => ["final", "checkpoints"].some((f) => existsSync(join(run.folder, name, f)));
  const names = pipeline.stages.map((s) => s.name);
  const name = options.stage ?? [...names].reverse().find(has);
  const stage = pipeline.stages.find((s) => s.name === name);
  if (stage === undefined || !has(stage.name))
    return lacks(
      options.stage === undefined ? "saved weights yet" : `saved weights of a stage ${options.stage}`,
      `its stages are ${names.join(", ")}`,
    );
  const spec = pipeline.models[stage.model.value] ?? lacks(`model ${stage.model.value}`);
  const graph = options.buildGraph(spec);
  const folder = join(run.folder, stage.name);
  const root = dirname(dirname(run.folder));
  const final = join(folder, "final");
  const finished =
    existsSync(join(final, "model.safetensors")) || existsSync(join(final, "model.safetensors.index.json"));
  const step = { value: 0 };
  const weights = finished ? openWeights(final) : checkpointWeights(folder, run, stage, pipeline, graph, step);
  const tokenizer = existsSync(join(final, "tokenizer.json"))
    ? await tokenizerFromFile(final)
    : await stageTokenizer(pipeline, stage, { folder: root, vocab: spec.vocab.value });
  const model = await options.open({
    graph,
    spec,
    weights: forGraph(weights, graph, finished ? final : join(folder, "checkpoints")),
    ...(options.backend === undefined ? {} : { backend: options.backend }),
  });
  return { model, tokenizer, pipeline, stage, root, from: finished ? "final" : step.value };
}

/** Trained weights in a checkpoint carry the prefix `weight/`. */
function checkpointWeights(
  folder: string,
  run: RunInfo,
  stage: Stage,
  pipeline: Pipeline,
  graph: ModelGraph,
  step: { value: number },
): WeightStore {
  const state = loadLatest({ folder: join(folder, "checkpoints"), planHash: run.plan?.hash ?? "" });
  if (state === undefined)
    return fail(runCodes.report("LLMP6402", undefined, { name: run.name, what: "whole checkpoint" }));
  step.value = state.step;
  const named: NamedTensor[] = state.tensors.flatMap((t) =>
    t.name.startsWith("weight/") ? [{ ...t, name: t.name.slice("weight/".length) }] : [],
  );
  const { base, lora } = splitAdapter(named);
  const adapter = stage.adapter === undefined ? undefined : pipeline.adapters[stage.adapter.value];
  return memoryStore(adapter === undefined || lora.length === 0 ? base : mergeAdapter(base, lora, adapter, graph));
}

export function memoryStore(tensors: readonly NamedTensor[]): WeightStore {
  const byName = new Map(tensors.map((t) => [t.name, t]));
  return { names: () => [...byName.keys()], read: async (name) => byName.get(name), close: async () => {} };
}
