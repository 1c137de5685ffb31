export interface RewardInput {
  readonly prompt: string;
  readonly completion: string;
  /** The dataset's reference answer. */
  readonly answer: string;
  readonly completionTokens: number;
}

export interface RewardScore {
  /** Before the weight; 0 where it could not be computed. */
  readonly value: number;
  /** Why it could not be computed. */
  readonly fault?: string;
}

export interface RewardContext {
  /** Folder of the root file: where commands run. */
  readonly root: string;
  /** Longest completion, for `length`. */
  readonly maxCompletion: number;
}

export type RewardFunction = (inputs: readonly RewardInput[]) => Promise<readonly RewardScore[]>;
