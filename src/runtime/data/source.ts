import { objectiveByName } from "../../catalog/index.js";
import type { Dataset, DatasetFormat, Mix, Pipeline, Stage } from "../../checker/pipeline.js";
import { type Diagnostic, runCodes } from "../../diagnostics/index.js";
import { fail } from "../failure.js";
import type { Batch, BatchSource, SourceRequest } from "../interfaces.js";
import type { TextTokenizer } from "../tokenizer/index.js";
import { documentBatch, preferenceBatch, promptBatch, type Shape, windowBatch } from "./assemble.js";
import { type BuildOptions, buildDataset } from "./build.js";
import { type RowPlan, RowPlanner } from "./rowplan.js";
import type { SampleKind } from "./types.js";
import { chunked, type DocumentView, splitHoldout } from "./view.js";

/** What a stage's data is turned into, from what its objective's descriptor reads; the best shape comes first. */
export function dataNeeds(stage: Stage): { kinds: readonly SampleKind[]; completionsOnly: boolean } {
  const descriptor = objectiveByName(stage.objective.kind);
  const reads = (format: DatasetFormat) => descriptor?.formats.includes(format) === true;
  const kinds: readonly SampleKind[] = reads("preference")
    ? ["preference"]
    : reads("prompts")
      ? ["prompts"]
      : reads("chat")
        ? ["completion", "text"]
        : ["text", "completion"];
  const { completionsOnly, trainOnPrompt } = stage.objective.options;
  return { kinds, completionsOnly: completionsOnly?.value === true || trainOnPrompt?.value === false };
}

export interface OpenSourceOptions {
  readonly pipeline: Pipeline;
  readonly stage: Stage;
  readonly request: SourceRequest;
  readonly tokenizer: TextTokenizer;
  /** Size of the model's embedding: data with larger ids is refused. */
  readonly vocab: number;
  readonly badRows?: "skip" | "fatal";
  readonly onProgress?: BuildOptions["onProgress"];
}

export interface OpenedSource {
  readonly source: StageSource;
  readonly diagnostics: readonly Diagnostic[];
}

export function mixOf(pipeline: Pipeline, stage: Stage): Mix {
  const name = stage.data.value;
  const mix = pipeline.mixes[name];
  if (mix !== undefined) return mix;
  if (pipeline.datasets[name] === undefined)
    throw new Error(`stage ${stage.name} reads ${name}, which is not in the pipeline`);
  return {
    name,
    unit: { value: "tokens", from: "default" },
    phases: [{ from: 0, weights: { [name]: 1 } }],
  } as unknown as Mix;
}

/** Builds or opens the caches of a stage's data and gives its batches in their final order. */
export async function openSource(options: OpenSourceOptions): Promise<OpenedSource> {
  const { pipeline, stage, tokenizer } = options;
  const mix = mixOf(pipeline, stage);
  const names = [...new Set(mix.phases.flatMap((phase) => Object.keys(phase.weights)))];
  const diagnostics: Diagnostic[] = [];
  const train: Record<string, DocumentView> = {};
  const holdout: Record<string, DocumentView> = {};
  const kinds = new Set<SampleKind>();
  for (const name of names) {
    const dataset = pipeline.datasets[name] as Dataset;
    const built = await buildDataset(dataset, {
      root: options.request.root,
      tokenizer,
      ...dataNeeds(stage),
      objective: stage.objective.kind,
      badRows: options.badRows ?? "skip",
      ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
    });
    diagnostics.push(...built.diagnostics);
    const { meta } = built.store;
    if (meta.maxId >= options.vocab)
      fail(runCodes.report("LLMP6108", dataset.span, { dataset: name, id: meta.maxId, vocab: options.vocab }));
    kinds.add(meta.kind);
    const split = splitHoldout(built.store, dataset.holdout.value);
    if (split.train.tokens === 0)
      fail(runCodes.report("LLMP6107", dataset.span, { dataset: name, what: "documents outside its holdout" }));
    train[name] = split.train;
    holdout[name] = split.holdout;
    if (meta.kind !== "text" && meta.longest > options.request.length + 1) {
      let count = 0;
      for (let i = 0; i < split.train.count; i++)
        if ((split.train.ends[i] as number) - (split.train.starts[i] as number) > options.request.length + 1) count++;
      if (count > 0)
        diagnostics.push(
          runCodes.report("LLMP6111", dataset.span, { dataset: name, count, context: options.request.length }),
        );
    }
  }
  // Running text beside samples with masks: its documents become samples of a row's length, so that none is cut off.
  if (kinds.size > 1)
    for (const name of names)
      for (const views of [train, holdout]) {
        const view = views[name];
        if (view?.store.meta.kind === "text") views[name] = chunked(view, options.request.length);
      }
  return { source: new StageSource(options, mix, names, train, holdout, kinds), diagnostics };
}

/** See BatchSource; also tells which datasets and epochs a batch came from. */
export class StageSource implements BatchSource {
  readonly kind: SampleKind;
  readonly planner: RowPlanner;
  readonly tokensPerEpoch: number;
  readonly #views: readonly DocumentView[];
  readonly #shape: Shape;

  constructor(
    readonly options: OpenSourceOptions,
    readonly mix: Mix,
    readonly datasetNames: readonly string[],
    readonly train: Readonly<Record<string, DocumentView>>,
    readonly held: Readonly<Record<string, DocumentView>>,
    kinds: ReadonlySet<SampleKind>,
  ) {
    const { request, stage, tokenizer } = options;
    // Text beside masked samples is masked samples whose every token counts.
    this.kind = kinds.size === 1 ? ([...kinds][0] as SampleKind) : "completion";
    const windows = this.kind === "text";
    this.#shape = { length: request.length, pad: tokenizer.pad ?? 0, segments: stage.packing.value };
    this.planner = new RowPlanner({
      mix,
      views: train,
      length: request.length,
      rows: request.steps * request.sequences,
      seed: request.seed,
      mode: windows ? "windows" : "documents",
      packing: stage.packing.value && this.kind === "completion",
    });
    this.#views = datasetNames.map((name) => train[name] as DocumentView);
    this.tokensPerEpoch = this.#views.reduce((sum, view) => sum + view.tokens, 0);
  }

  async batch(step: number): Promise<Batch> {
    const { sequences } = this.options.request;
    const plans = Array.from({ length: sequences }, (_, i) => this.planner.row(step * sequences + i));
    return this.#assemble(plans, this.#views);
  }

  #assemble(plans: readonly RowPlan[], views: readonly DocumentView[]): Batch {
    if (this.kind === "text") return windowBatch(plans, views, this.#shape);
    if (this.kind === "preference") return preferenceBatch(plans, views, this.#shape);
    if (this.kind === "prompts") return promptBatch(plans, views, this.#shape);
    return documentBatch(plans, views, this.#shape);
  }

  /** In file order, without packing; the same rows every time. */
  async holdout(limit: number): Promise<Readonly<Record<string, readonly Batch[]>>> {
    const out: Record<string, Batch[]> = {};
    const { length, sequences } = this.options.request;
    this.datasetNames.forEach((name, dataset) => {
      const view = this.held[name];
      if (view === undefined || view.tokens < 2) return;
      const plans =
        this.kind === "text" ? heldWindows(view, dataset, length, limit) : heldDocuments(view, dataset, length, limit);
      const views: DocumentView[] = [];
      views[dataset] = view;
      const batches: Batch[] = [];
      for (let i = 0; i < plans.length; i += sequences)
        batches.push(this.#assemble(plans.slice(i, i + sequences), views));
      out[name] = batches;
    });
    return out;
  }

  async close(): Promise<void> {
    for (const view of this.#views) view.store.close();
  }
}

function heldWindows(view: DocumentView, dataset: number, length: number, limit: number): RowPlan[] {
  const plans: RowPlan[] = [];
  let pieces: RowPlan["pieces"][number][] = [];
  let room = length + 1;
  const flush = () => {
    if (length + 1 - room >= 2) plans.push({ pieces, dataset, ordinals: [plans.length] });
    pieces = [];
    room = length + 1;
  };
  for (let d = 0; d < view.count && plans.length < limit; d++) {
    let start = view.starts[d] as number;
    const end = view.ends[d] as number;
    while (start < end && plans.length < limit) {
      const size = Math.min(room, end - start);
      pieces.push({
        start,
        end: start + size,
        newDocument: pieces.length === 0 || start === view.starts[d],
        dataset,
        document: d,
      });
      room -= size;
      start += size;
      if (room === 0) {
        flush();
        // The last target of a window is the first input of the next.
        if (start < end) start -= 1;
      }
    }
  }
  if (plans.length < limit) flush();
  return plans;
}

function heldDocuments(view: DocumentView, dataset: number, length: number, limit: number): RowPlan[] {
  const step = view.store.meta.sequencesPerDocument;
  const count = Math.min(limit, view.count / step);
  return Array.from({ length: count }, (_, i) => {
    const document = i * step;
    const start = view.starts[document] as number;
    const end = Math.min(view.ends[document] as number, start + length + 1);
    return { pieces: [{ start, end, newDocument: true, dataset, document }], dataset, ordinals: [i] };
  });
}
