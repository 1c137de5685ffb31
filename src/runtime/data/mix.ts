import type { Mix } from "../../checker/pipeline.js";

/**
 * Which dataset comes next, so that after every item each dataset's share of the tokens is as near its weights as
 * whole items allow: the dataset furthest behind its target goes next (ties: the first). No chance is involved, so a
 * mix is exact to one item at any point, and so is every phase on its own.
 */
export class MixCursor {
  readonly names: readonly string[];
  readonly #targets: Float64Array;
  readonly #taken: Float64Array;
  readonly #phases: readonly { readonly from: number; readonly weights: Float64Array }[];

  /** @param unitSize for `unit = documents`: mean tokens of a document by dataset, which turns its weights into those of tokens. */
  constructor(mix: Mix, unitSize?: Readonly<Record<string, number>>) {
    this.names = [...new Set(mix.phases.flatMap((phase) => Object.keys(phase.weights)))];
    this.#phases = mix.phases.map((phase) => {
      const raw = this.names.map((name) => (phase.weights[name] ?? 0) * (unitSize?.[name] ?? 1));
      const sum = raw.reduce((a, b) => a + b, 0);
      return { from: phase.from, weights: Float64Array.from(raw, (w) => w / sum) };
    });
    this.#targets = new Float64Array(this.names.length);
    this.#taken = new Float64Array(this.names.length);
  }

  weightsAt(progress: number): Float64Array {
    let at = this.#phases[0] as { from: number; weights: Float64Array };
    for (const phase of this.#phases) if (phase.from <= progress + 1e-12) at = phase;
    return at.weights;
  }

  /** The dataset of the next item at `progress` (0..1 of the stage). */
  choose(progress: number): number {
    const weights = this.weightsAt(progress);
    let best = -1;
    let bestLag = Number.NEGATIVE_INFINITY;
    for (let d = 0; d < weights.length; d++) {
      const weight = weights[d] as number;
      if (weight === 0) continue;
      // Behind by how much, plus its share of what comes: breaks ties at the start in favour of the larger.
      const lag = (this.#targets[d] as number) - (this.#taken[d] as number) + weight;
      if (lag > bestLag + 1e-9) {
        best = d;
        bestLag = lag;
      }
    }
    return best;
  }

  /** Counts an item of `size` (tokens, or 1 for windows of one size) of dataset `d`. */
  take(d: number, size: number, progress: number): void {
    const weights = this.weightsAt(progress);
    for (let i = 0; i < weights.length; i++)
      this.#targets[i] = (this.#targets[i] as number) + (weights[i] as number) * size;
    this.#taken[d] = (this.#taken[d] as number) + size;
  }
}
