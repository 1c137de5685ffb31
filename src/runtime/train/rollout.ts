/** GRPO's samples: answers drawn from the policy, judged, and laid out as rows to learn from. */
import { groupAdvantages, numberOf, type ObjectiveOptions } from "../../program/index.js";
import { hash32 } from "../data/index.js";
import type { Batch } from "../interfaces.js";
import type { Judgement, RewardInput } from "../rewards/index.js";
import type { TextTokenizer } from "../tokenizer/index.js";
import type { RollOut } from "./executor.js";
import type { Asked } from "./generate.js";

export interface RollOutSettings {
  readonly tokenizer: TextTokenizer;
  readonly judge: (inputs: readonly RewardInput[]) => Promise<Judgement>;
  readonly options: ObjectiveOptions;
  readonly seed: number;
  /** Prompts that are answered together at most. */
  readonly prompts: number;
}

interface Answer {
  readonly prompt: Int32Array;
  readonly tokens: readonly number[];
  /** It came to the end by itself. */
  readonly ended: boolean;
}

export function openRollOut(settings: RollOutSettings): RollOut {
  const { tokenizer, options, judge } = settings;
  const group = numberOf(options, "groupSize", 8);
  return async (generate, given, step) => {
    const asked = ask(settings, given, step, group);
    const said = await generate(asked);
    const answers = asked.rows.map(({ prompt }, i): Answer => {
      const tokens = said[i]!;
      return { prompt, tokens, ended: tokens.at(-1) === tokenizer.endOfText };
    });
    const inputs = answers.map(({ prompt, tokens, ended }, i) => ({
      prompt: tokenizer.decode(prompt),
      completion: tokenizer.decode(ended ? tokens.slice(0, -1) : tokens),
      answer: given.answers?.[Math.floor(i / group)] ?? "",
      completionTokens: tokens.length,
    }));
    const { totals, means, faults, firstFault } = await judge(inputs);
    const mean = (values: ArrayLike<number>): number => Array.from(values).reduce((a, b) => a + b, 0) / values.length;
    const figures = {
      reward: mean(totals),
      ...Object.fromEntries(Object.entries(means).map(([name, value]) => [`reward_${name}`, value])),
      completion_tokens: mean(answers.map((a) => a.tokens.length)),
      ended: mean(answers.map((a) => +a.ended)),
      ...(faults === 0 ? {} : { reward_faults: faults }),
    };
    const advantages = groupAdvantages(totals, group, options.scale?.value !== "none");
    return {
      batch: { ...rowsOf(answers, given, group), advantages },
      figures,
      ...(firstFault === undefined ? {} : { warning: firstFault }),
    };
  };
}

/** A group of rows for each prompt. A prompt without room for an answer keeps its end. */
function ask({ tokenizer, options, seed, prompts }: RollOutSettings, given: Batch, step: number, group: number): Asked {
  const longest = numberOf(options, "maxCompletion", 512);
  const room = Math.max(1, given.length - longest);
  const rows = Array.from({ length: given.sequences * group }, (_, number) => {
    const p = Math.floor(number / group);
    const end = p * given.length + given.promptLengths![p]!;
    return {
      seed: hash32(seed, step, number),
      prompt: given.tokens.slice(end - Math.min(given.promptLengths![p]!, room), end),
    };
  });
  return {
    rows,
    room: given.length + 1,
    longest,
    temperature: numberOf(options, "temperature", 1),
    end: tokenizer.endOfText,
    together: prompts * group,
  };
}

/** Prompt and answer in each row; only the answer's tokens count. */
function rowsOf(answers: readonly Answer[], given: Batch, group: number): Batch {
  const { length } = given;
  const rows = answers.length;
  const tokens = new Int32Array(rows * length);
  const targets = new Int32Array(rows * length);
  const weights = new Float32Array(rows * length);
  answers.forEach(({ prompt, tokens: said }, r) => {
    const all = [...prompt, ...said];
    for (let i = 0; i < Math.min(length, all.length); i++) {
      tokens[r * length + i] = all[i]!;
      if (i + 1 >= all.length) continue;
      targets[r * length + i] = all[i + 1]!;
      weights[r * length + i] = i + 1 >= prompt.length ? 1 : 0;
    }
  });
  const datasets = given.datasets;
  return {
    sequences: rows,
    length,
    tokens,
    targets,
    weights,
    ...(datasets === undefined
      ? {}
      : { datasets: Int32Array.from({ length: rows }, (_, r) => datasets[Math.floor(r / group)]!) }),
  };
}
