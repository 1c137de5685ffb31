import type { RewardFunction } from "./types.js";

/** Share of the longest completion beyond which answers are too long (DAPO's soft overlong punishment, Yu et al. 2025). */
const wanted = 0.8;

/** 1 up to 80% of `max_completion`, then falling in a line to 0 at its end. */
export const lengthReward =
  (maxCompletion: number): RewardFunction =>
  async (inputs) =>
    inputs.map(({ completionTokens }) => {
      const over = (completionTokens / maxCompletion - wanted) / (1 - wanted);
      return { value: Math.max(0, 1 - Math.max(0, over)) };
    });
