/** A stage's tokenizer and rows: in a plan's shape, or before there is a plan in that of the file alone. */
import type { Pipeline, Stage } from "../../checker/pipeline.js";
import type { Diagnostic } from "../../diagnostics/index.js";
import type { StagePlan } from "../../planner/plan.js";
import { stageTokenizer, type TextTokenizer } from "../tokenizer/index.js";
import { type OpenSourceOptions, openSource, type StageSource } from "./source.js";

export interface PlannedData {
  readonly source: StageSource;
  readonly tokenizer: TextTokenizer;
  readonly diagnostics: readonly Diagnostic[];
}

export interface StageData extends PlannedData {
  readonly sequences: number;
  readonly length: number;
  readonly steps: number;
}

/** As the plan says: what trains, here or on another engine. @param root folder of the pipeline's file */
export async function openPlannedData(
  pipeline: Pipeline,
  stage: Stage,
  planned: Pick<StagePlan, "global_batch" | "context_length" | "steps">,
  root: string,
  options: Pick<OpenSourceOptions, "badRows"> = {},
): Promise<PlannedData> {
  const vocab = pipeline.models[stage.model.value]?.vocab.value ?? 0;
  const tokenizer = await stageTokenizer(pipeline, stage, { folder: root, vocab });
  const { global_batch: sequences, context_length: length, steps } = planned;
  const request = { root, stage: stage.name, sequences, length, steps, seed: stage.seed.value };
  return { ...(await openSource({ pipeline, stage, tokenizer, vocab, request, ...options })), tokenizer };
}

/** For `llmp data`. @param root folder of the pipeline's file */
export async function openStageData(
  pipeline: Pipeline,
  stage: Stage,
  root: string,
  options: Pick<OpenSourceOptions, "badRows" | "onProgress"> = {},
): Promise<StageData> {
  const model = pipeline.models[stage.model.value];
  const vocab = model?.vocab.value ?? 0;
  const tokenizer = await stageTokenizer(pipeline, stage, { folder: root, vocab });
  const context = stage.contextLength.value;
  const length = context.kind === "fixed" ? context.value : (model?.contextLength.value ?? 1024);
  const { unit, amount } = stage.batch.value;
  const sequences = Math.max(1, Math.round(unit === "sequences" ? amount : amount / length));
  const open = (steps: number) =>
    openSource({
      pipeline,
      stage,
      tokenizer,
      vocab: model === undefined ? tokenizer.vocab : vocab,
      request: { root, stage: stage.name, sequences, length, steps, seed: stage.seed.value },
      ...options,
    });
  const wanted = stage.length.value;
  if (wanted.unit !== "epochs") {
    const steps = Math.max(
      1,
      Math.ceil(wanted.unit === "steps" ? wanted.amount : wanted.amount / (sequences * length)),
    );
    return { ...(await open(steps)), tokenizer, sequences, length, steps };
  }
  // How long an epoch is, only the data tells.
  const first = await open(1);
  const steps = Math.max(1, Math.ceil((wanted.amount * first.source.tokensPerEpoch) / (sequences * length)));
  await first.source.close();
  return { ...(await open(steps)), tokenizer, sequences, length, steps };
}
