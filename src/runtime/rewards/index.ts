/** Verifiable rewards (GRPO): a new kind is one file here and one line in `kinds`. */
import type { Reward } from "../../checker/pipeline.js";
import { commandReward } from "./command.js";
import { exactAnswer } from "./exact.js";
import { lengthReward } from "./length.js";
import { regexReward } from "./regex.js";
import type { RewardContext, RewardFunction, RewardInput } from "./types.js";

export { finalAnswer, sameAnswer } from "./exact.js";
export * from "./types.js";

const kinds: Readonly<Record<Reward["kind"]["value"], (reward: Reward, context: RewardContext) => RewardFunction>> = {
  exact_answer: () => exactAnswer,
  regex: (reward) => regexReward(reward.name, reward.pattern?.value ?? ""),
  length: (_, context) => lengthReward(context.maxCompletion),
  command: (reward, context) =>
    commandReward(reward.name, reward.command?.value ?? [], reward.timeout.value, context.root),
};

export interface Judgement {
  /** Weighted sum for each input. */
  readonly totals: Float64Array;
  /** Mean of each reward before its weight, for metrics. */
  readonly means: Readonly<Record<string, number>>;
  readonly faults: number;
  readonly firstFault?: string;
}

/** All rewards of a stage as one. */
export function openRewards(rewards: readonly Reward[], context: RewardContext) {
  const open = rewards.map((reward) => ({
    name: reward.name,
    weight: reward.weight.value,
    score: kinds[reward.kind.value](reward, context),
  }));
  return async (inputs: readonly RewardInput[]): Promise<Judgement> => {
    const totals = new Float64Array(inputs.length);
    const means: Record<string, number> = {};
    let faults = 0;
    let firstFault: string | undefined;
    for (const { name, weight, score } of open) {
      let sum = 0;
      for (const [i, { value, fault }] of (await score(inputs)).entries()) {
        totals[i] = (totals[i] as number) + weight * value;
        sum += value;
        if (fault === undefined) continue;
        faults++;
        firstFault ??= `reward ${name}: ${fault}`;
      }
      means[name] = sum / Math.max(1, inputs.length);
    }
    return { totals, means, faults, ...(firstFault === undefined ? {} : { firstFault }) };
  };
}
