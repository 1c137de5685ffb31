import type { Bytes } from "../../units/index.js";
import type { CostModel, Evaluation, StageContext } from "../types.js";

/** What layouts of one configuration share. */
export interface Frame {
  readonly model: CostModel;
  readonly context: StageContext;
  readonly count: number;
  readonly contextLength: number;
  readonly globalBatch: number;
  /** Device memory that the plan may use (budget included). */
  readonly capacity: Bytes;
}

/** What a rank's peak must not exceed. */
export const roomOf = (frame: Frame, evaluation: Evaluation): number =>
  Math.min(frame.capacity, evaluation.roomBytes ?? frame.capacity);

export const fits = (frame: Frame, evaluation: Evaluation): boolean =>
  evaluation.fits && evaluation.peakBytes <= frame.capacity;
