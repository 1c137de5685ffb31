/** GRPO's samples: answers drawn from the policy with a key-value cache, judged, and laid out as rows to learn from. */
import { Decoder, groupAdvantages, type ModelState, numberOf, type ObjectiveOptions } from "../../program/index.js";
import type { Backend, Handle } from "../backend/index.js";
import { hash32 } from "../data/index.js";
import type { Batch } from "../interfaces.js";
import type { Judgement, RewardInput } from "../rewards/index.js";
import { uniform } from "../sample/index.js";
import type { TextTokenizer } from "../tokenizer/index.js";
import type { RollOut } from "./executor.js";

export interface RollOutSettings {
  readonly backend: Backend;
  readonly tokenizer: TextTokenizer;
  readonly judge: (inputs: readonly RewardInput[]) => Promise<Judgement>;
  readonly options: ObjectiveOptions;
  readonly seed: number;
  /** Prompts that are answered together at most, so that the caches stay below the peak of training. */
  readonly prompts: number;
}

/** A token by its probability at a temperature. */
export function drawToken(logits: Float32Array, temperature: number, u: number): number {
  let top = Number.NEGATIVE_INFINITY;
  for (const l of logits) top = Math.max(top, l);
  let total = 0;
  for (const l of logits) total += Math.exp((l - top) / temperature);
  let left = u * total;
  for (let i = 0; i < logits.length; i++) {
    left -= Math.exp((logits[i]! - top) / temperature);
    if (left < 0) return i;
  }
  return logits.length - 1;
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
  return async (policy, given, step) => {
    const answers = await sample(settings, policy, given, step, group);
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

/** Prompts of one length are answered together; each row has its own random numbers, whatever it is answered with. */
async function sample(
  { backend, tokenizer, options, seed, prompts }: RollOutSettings,
  policy: ModelState<Handle>,
  given: Batch,
  step: number,
  group: number,
): Promise<Answer[]> {
  const longest = numberOf(options, "maxCompletion", 512);
  const answers: Answer[] = [];
  const byLength = new Map<number, number[]>();
  for (let p = 0; p < given.sequences; p++) {
    const room = Math.max(1, given.length - longest);
    const length = Math.min(given.promptLengths![p]!, room);
    byLength.set(length, [...(byLength.get(length) ?? []), p]);
  }
  for (const [length, list] of byLength)
    for (let first = 0; first < list.length; first += prompts) {
      const chosen = list.slice(first, first + prompts);
      const rows = chosen.flatMap((p) => Array.from({ length: group }, (_, g) => p * group + g));
      const starts = rows.map((row) => {
        const p = Math.floor(row / group);
        // A prompt without room for an answer keeps its end.
        const end = p * given.length + given.promptLengths![p]!;
        return given.tokens.slice(end - length, end);
      });
      const tokens = decode(backend, policy, starts, {
        longest: Math.min(longest, given.length + 1 - length),
        temperature: numberOf(options, "temperature", 1),
        end: tokenizer.endOfText,
        random: rows.map((row) => uniform(hash32(seed, step, row))),
      });
      rows.forEach((row, i) => {
        answers[row] = { prompt: starts[i]!, tokens: tokens[i]!, ended: tokens[i]!.at(-1) === tokenizer.endOfText };
      });
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  return answers;
}

function decode(
  { algebra }: Backend,
  policy: ModelState<Handle>,
  starts: readonly Int32Array[],
  how: {
    readonly longest: number;
    readonly temperature: number;
    readonly end: number | undefined;
    readonly random: readonly (() => number)[];
  },
): number[][] {
  const decoder = new Decoder(algebra, policy, starts.length);
  const out: number[][] = starts.map(() => []);
  const done = starts.map(() => false);
  const { vocab } = policy.graph;
  let next = Int32Array.from(starts.flatMap((s) => [...s]));
  for (let n = 0; n < how.longest && done.includes(false); n++) {
    const logits = decoder.step(next);
    const values = algebra.read(logits);
    algebra.free(logits);
    next = Int32Array.from(starts, (_, i) => {
      if (done[i]) return 0;
      const token = drawToken(values.subarray(i * vocab, (i + 1) * vocab), how.temperature, how.random[i]!());
      out[i]!.push(token);
      done[i] = token === how.end;
      return token;
    });
  }
  decoder.free();
  return out;
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
