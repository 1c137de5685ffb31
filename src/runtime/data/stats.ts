import type { StageSource } from "./source.js";

export interface DatasetStats {
  readonly name: string;
  readonly bytes: number;
  readonly documents: number;
  readonly tokens: number;
  /** Tokens that carry loss. */
  readonly trained: number;
  readonly held_out_tokens: number;
  readonly bad_rows: number;
  readonly length: { readonly mean: number; readonly median: number; readonly p95: number; readonly longest: number };
}

/** What a stage draws from a dataset in a phase: the bounds are rows of the stage, not chance. */
export interface ShareStats {
  readonly dataset: string;
  readonly weight: number;
  readonly tokens: number;
  readonly epochs: number;
}

export interface PhaseStats {
  readonly from: number;
  readonly to: number;
  readonly shares: readonly ShareStats[];
}

export function datasetStats(source: StageSource): readonly DatasetStats[] {
  return source.datasetNames.map((name) => {
    const view = source.train[name];
    const held = source.held[name];
    if (view === undefined || held === undefined) throw new Error(name);
    const { meta } = view.store;
    const lengths = Float64Array.from(view.ends, (end, i) => end - (view.starts[i] as number)).sort();
    const at = (share: number) => lengths[Math.min(lengths.length - 1, Math.floor(share * lengths.length))] ?? 0;
    return {
      name,
      bytes: meta.bytes,
      documents: meta.documents,
      tokens: meta.tokens,
      trained: meta.trained,
      held_out_tokens: held.tokens,
      bad_rows: meta.faults,
      length: { mean: view.tokens / Math.max(1, view.count), median: at(0.5), p95: at(0.95), longest: at(1) },
    };
  });
}

/** Tokens and epochs by phase and dataset, by the order's own rule: shares of whole rows differ from these by less than one row. */
export function mixStats(source: StageSource): readonly PhaseStats[] {
  const { request } = source.options;
  const total = request.steps * request.sequences * request.length;
  const { phases } = source.mix;
  return phases.map((phase, i) => {
    const to = phases[i + 1]?.from ?? 1;
    const weights = source.planner.weightsAt(phase.from);
    return {
      from: phase.from,
      to,
      shares: source.planner.names.flatMap((dataset, d) => {
        const weight = weights[d] as number;
        const tokens = weight * (to - phase.from) * total;
        return weight === 0 ? [] : [{ dataset, weight, tokens, epochs: tokens / (source.train[dataset]?.tokens ?? 1) }];
      }),
    };
  });
}
