/** Perplexity, multiple choice and exact match: what a model knows, by likelihood or by what it writes. */
import { readFileSync } from "node:fs";
import { runCodes } from "../../diagnostics/index.js";
import { fail } from "../failure.js";
import type { Batch } from "../interfaces.js";
import { finalAnswer, sameAnswer } from "../rewards/index.js";
import type { TextTokenizer } from "../tokenizer/index.js";
import { generate } from "./generate.js";
import type { LanguageModel } from "./types.js";

export interface Perplexity {
  readonly loss: number;
  readonly perplexity: number;
  readonly tokens: number;
}

/** Mean negative log-likelihood over the tokens that count (weights above 0), and its exponential. */
export async function perplexity(model: LanguageModel, batches: readonly Batch[]): Promise<Perplexity> {
  let sum = 0;
  let tokens = 0;
  for (const batch of batches) {
    const logProbs = await model.logProbs(batch);
    for (let i = 0; i < logProbs.length; i++) {
      const weight = batch.weights[i] as number;
      sum -= weight === 0 ? 0 : weight * (logProbs[i] as number);
      tokens += weight;
    }
  }
  const loss = sum / Math.max(1, tokens);
  return { loss, perplexity: Math.exp(loss), tokens };
}

export type TaskRow =
  | { readonly kind: "choice"; readonly prompt: string; readonly choices: readonly string[]; readonly answer: number }
  | { readonly kind: "exact"; readonly prompt: string; readonly answer: string };

/** JSON lines with `prompt`, `choices`, `answer` (index or the right text), or `prompt` and `answer`. */
export function readTask(path: string): readonly TaskRow[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    fail(runCodes.report("LLMP6104", undefined, { path, why: (error as Error).message }));
  }
  const rows: TaskRow[] = [];
  text.split("\n").forEach((line, i) => {
    if (line.trim() !== "") rows.push(taskRow(line, `${path}:${i + 1}`));
  });
  if (rows.length === 0) fail(runCodes.report("LLMP6403", undefined, { place: path, why: "it has no rows" }));
  return rows;
}

function taskRow(line: string, place: string): TaskRow {
  const bad = (why: string): never => fail(runCodes.report("LLMP6403", undefined, { place, why }));
  let row: Record<string, unknown>;
  try {
    row = (JSON.parse(line) ?? {}) as Record<string, unknown>;
  } catch (error) {
    return bad(`not JSON (${(error as Error).message})`);
  }
  const prompt = row.prompt ?? row.question;
  const answer = row.answer ?? row.completion;
  if (typeof prompt !== "string") return bad("has no `prompt`");
  if (row.choices === undefined) {
    if (typeof answer !== "string" && typeof answer !== "number") return bad("has no `answer`");
    return { kind: "exact", prompt, answer: String(answer) };
  }
  const choices = row.choices;
  if (!Array.isArray(choices) || choices.length < 2 || !choices.every((c) => typeof c === "string"))
    return bad("`choices` is not a list of two or more texts");
  const index = typeof answer === "number" ? answer : choices.indexOf(answer as string);
  if (!Number.isInteger(index) || index < 0 || index >= choices.length) return bad("`answer` is none of the choices");
  return { kind: "choice", prompt, choices: choices as string[], answer: index };
}

export interface TaskResult {
  readonly rows: number;
  readonly correct: number;
  readonly accuracy: number;
  /** Half width of the 95% interval. */
  readonly margin: number;
  /** Multiple choice: by log-likelihood over the choice's bytes (lm-evaluation-harness' `acc_norm`). */
  readonly accuracyByLength?: number;
}

/** Choices by the summed log-likelihood of their tokens after the prompt; exact match of a greedy answer. */
export async function evaluateTask(
  model: LanguageModel,
  tokenizer: TextTokenizer,
  rows: readonly TaskRow[],
  options: { readonly maxTokens: number; readonly onRow?: (done: number) => void },
): Promise<TaskResult> {
  let correct = 0;
  let byLength = 0;
  let choices = 0;
  for (const [i, row] of rows.entries()) {
    if (row.kind === "exact") {
      const greedy = { temperature: 0, topK: 0, topP: 1, seed: 0, tokens: options.maxTokens };
      const { text } = await generate(model, tokenizer, row.prompt, greedy);
      if (sameAnswer(finalAnswer(text), finalAnswer(row.answer))) correct++;
    } else {
      choices++;
      const scores = await Promise.all(row.choices.map((choice) => continuation(model, tokenizer, row.prompt, choice)));
      const best = (values: number[]) => values.indexOf(Math.max(...values));
      if (best(scores) === row.answer) correct++;
      const bytes = (text: string) => Math.max(1, Buffer.byteLength(text));
      if (best(scores.map((s, c) => s / bytes(row.choices[c] as string))) === row.answer) byLength++;
    }
    options.onRow?.(i + 1);
  }
  const accuracy = correct / rows.length;
  return {
    rows: rows.length,
    correct,
    accuracy,
    margin: 1.96 * Math.sqrt((accuracy * (1 - accuracy)) / rows.length),
    ...(choices === rows.length ? { accuracyByLength: byLength / rows.length } : {}),
  };
}

async function continuation(
  model: LanguageModel,
  tokenizer: TextTokenizer,
  prompt: string,
  text: string,
): Promise<number> {
  const before = tokenizer.encode(prompt);
  const after = tokenizer.encode(text);
  const start = before.length > 0 ? [...before] : [tokenizer.bos ?? tokenizer.endOfText ?? 0];
  const all = [...start, ...after].slice(-(model.contextLength + 1));
  const tokens = Int32Array.from(all.slice(0, -1));
  const logProbs = await model.logProbs({
    tokens,
    targets: Int32Array.from(all.slice(1)),
    sequences: 1,
    length: tokens.length,
  });
  let sum = 0;
  for (let i = Math.max(0, tokens.length - after.length); i < tokens.length; i++) sum += logProbs[i] as number;
  return sum;
}
