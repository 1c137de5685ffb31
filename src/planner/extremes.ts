/** What a step's time depends on, of all pipeline ranks together. */
import type { Extremes, RankFigures } from "./types.js";

export const noRanks: Extremes = { slowest: 0, plain: 0, sum: 0, again: 0, trainable: 0, dense: 0, expert: 0 };

/** With one rank more; of equally slow ranks the first counts. */
export const withRank = (x: Extremes, r: Omit<RankFigures, "peakBytes">): Extremes => ({
  slowest: Math.max(x.slowest, r.seconds),
  plain: r.seconds > x.slowest ? r.plain : x.plain,
  sum: x.sum + r.seconds,
  again: x.again + r.again,
  trainable: Math.max(x.trainable, r.trainable),
  dense: Math.max(x.dense, r.dense),
  expert: Math.max(x.expert, r.expert),
});
