/**
 * Between the parts of the runtime: what the trainer (train/) asks of data/, weights/, checkpoint/ and metrics/.
 * Only typed arrays cross, never tensors of a backend.
 */
import type { ModelSpec } from "../checker/pipeline.js";
import type { LayerKind, ModelGraph } from "../model/graph.js";
import type { RunEvent, RunSummary, StepMetrics } from "./types.js";

/** One micro-batch of `sequences` × `length` tokens, row-major. */
export interface Batch {
  readonly sequences: number;
  readonly length: number;
  readonly tokens: Int32Array;
  /** Next token of each position; where `weights` is 0 the value is ignored (use 0). */
  readonly targets: Int32Array;
  /** Loss weight of each position: 0 for padding and (completion-only loss) for prompts. */
  readonly weights: Float32Array;
  /** Document number of each position within its row, for packing without cross-contamination; absent: one document a row. */
  readonly segments?: Int32Array;
  /** Position of each token within its document; absent: 0…length−1. */
  readonly positions?: Int32Array;
  /** Index into `datasetNames` of each row. */
  readonly datasets?: Int32Array;
  /**
   * Preference pairs (DPO): rows 2i are chosen, 2i+1 rejected. GRPO prompts: `answers[i]` is row i's verifiable answer and
   * `promptLengths[i]` the number of prompt tokens at the start of row i.
   */
  readonly answers?: readonly string[];
  readonly promptLengths?: Int32Array;
}

/** Data of a stage in its final order: a pure function of the seed and the position, so that resuming is exact. */
export interface BatchSource {
  readonly datasetNames: readonly string[];
  /** Tokens of the whole data once through, where known. */
  readonly tokensPerEpoch?: number;
  /** All rows of optimizer step `step` (from 0): `sequences` = global batch. The trainer slices micro-batches and ranks. */
  batch(step: number): Promise<Batch>;
  /** Held-out batches by dataset name for evaluation, at most `limit` rows each; empty where nothing is held out. */
  holdout(limit: number): Promise<Readonly<Record<string, readonly Batch[]>>>;
  close(): Promise<void>;
}

/** What data/ needs to build a source for one stage. Paths are resolved against `root`. */
export interface SourceRequest {
  readonly root: string;
  readonly stage: string;
  readonly sequences: number;
  readonly length: number;
  readonly steps: number;
  readonly seed: number;
}

/** Tokenizer as the runtime uses it. */
export interface TextTokenizer {
  readonly vocab: number;
  readonly endOfText?: number;
  encode(text: string): Int32Array;
  decode(tokens: ArrayLike<number>): string;
}

/** A named tensor on its way in or out. Names are Hugging Face parameter names with layer (and expert) filled in. */
export interface NamedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** May be read out of the backend each time that it is asked for: ask once, and keep no more than is needed. */
  readonly values: Float32Array;
}

/** A tensor whose values exist only while somebody holds them, so that a save needs memory for one at a time. */
export const lazyTensor = (name: string, shape: readonly number[], read: () => Float32Array): NamedTensor => ({
  name,
  shape,
  get values() {
    return read();
  },
});

/** Initial weights: from a safetensors folder, an earlier stage's `final/`, or none (then deterministic initialisation). */
export interface WeightStore {
  /** Names present. */
  names(): readonly string[];
  /** As fp32 in Hugging Face's shape; undefined where missing. */
  read(name: string): Promise<NamedTensor | undefined>;
  close(): Promise<void>;
}

/** Everything that a run needs to go on bit for bit. */
export interface TrainingState {
  readonly step: number;
  /** Tokens seen so far. */
  readonly tokens: number;
  /** Weights (`weight/…`), masters, optimizer states (`adamw.m/…`), fp8 scales: unique names. */
  readonly tensors: readonly NamedTensor[];
  /** Loss scale, counters, generator states, step of the optimizer. JSON-serialisable. */
  readonly scalars: Readonly<Record<string, number | string | boolean>>;
}

export interface CheckpointStore {
  /** Atomic and verified: after it resolves, `latest()` finds it; if it fails, the previous one is intact. Gives the path. */
  save(state: TrainingState): Promise<string>;
  /** Newest intact state, or undefined. */
  latest(): Promise<TrainingState | undefined>;
  /** `final/`: safetensors + config.json + tokenizer in Hugging Face's layout. */
  export(weights: readonly NamedTensor[], graph: ModelGraph): Promise<string>;
}

export interface MetricsSink {
  step(stage: string, metrics: StepMetrics): void;
  event(event: RunEvent): void;
  summary(summary: RunSummary): Promise<void>;
  close(): Promise<void>;
}

/** The name of one weight of a layer kind with its holes filled in. */
export const weightName = (pattern: string, layer: number, expert?: number): string =>
  pattern.replaceAll("{layer}", String(layer)).replaceAll("{expert}", String(expert ?? 0));

export type { LayerKind };

/** A model that is ready to be asked (sampling, evaluation), on whichever backend: what `execute/` offers to `sample/`. */
export interface LanguageModel {
  readonly vocab: number;
  /** Longest sequence it was made for. */
  readonly contextLength: number;
  /** Logits of the token that follows `tokens` (1 ≤ length ≤ contextLength). A longer prefix of the call before is cheap. */
  next(tokens: Int32Array): Promise<Float32Array>;
  /** Log-probability of each target, row-major [sequences, length]; packed documents do not see each other. */
  logProbs(batch: Omit<Batch, "weights">): Promise<Float32Array>;
  close(): Promise<void>;
}

/** Weights are under the graph's names in Hugging Face's shapes (tied ones absent). */
export type OpenLanguageModel = (request: {
  readonly graph: ModelGraph;
  readonly spec: ModelSpec;
  readonly weights: WeightStore;
  /** Best available unless given. */
  readonly backend?: string;
}) => Promise<LanguageModel>;
