/** A mix that changes becomes consecutive runs for engines with one mix per run: each goes to its own last step. */
import type { StageView } from "../../common/stage.js";

export interface Phase {
  readonly index: number;
  /** Optimizer steps at which the phase starts and ends. */
  readonly start: number;
  readonly end: number;
  readonly weights: Readonly<Record<string, number>>;
}

export function phases(view: StageView): Phase[] {
  const { steps } = view.stage;
  const all = view.mix.phases.map(({ from, weights }, index) => ({ index, start: Math.round(from * steps), weights }));
  return all
    .map((phase, i) => ({ ...phase, end: all[i + 1]?.start ?? steps }))
    .filter((phase) => phase.end > phase.start);
}
