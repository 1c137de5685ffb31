/** A stage's data before there is a plan: shape and length from the file alone, for `llmp data`. */
import type { Pipeline, Stage } from "../../checker/pipeline.js";
import type { Diagnostic } from "../../diagnostics/index.js";
import { loadTokenizer, type TextTokenizer } from "../tokenizer/index.js";
import { type OpenSourceOptions, openSource, type StageSource } from "./source.js";

export interface StageData {
  readonly source: StageSource;
  readonly tokenizer: TextTokenizer;
  readonly diagnostics: readonly Diagnostic[];
  readonly sequences: number;
  readonly length: number;
  readonly steps: number;
}

/** @param root folder of the pipeline's file */
export async function openStageData(
  pipeline: Pipeline,
  stage: Stage,
  root: string,
  options: Pick<OpenSourceOptions, "badRows" | "onProgress"> = {},
): Promise<StageData> {
  const model = pipeline.models[stage.model.value];
  const vocab = model?.vocab.value ?? 0;
  const spec = stage.tokenizer === undefined ? undefined : pipeline.tokenizers[stage.tokenizer.value];
  const tokenizer = await loadTokenizer(spec, { folder: root, vocab });
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
