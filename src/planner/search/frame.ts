import type { Bytes } from "../../units/index.js";
import type { CostModel, StageContext } from "../types.js";

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
