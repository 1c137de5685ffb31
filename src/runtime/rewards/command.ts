import { availableParallelism } from "node:os";
import { runCodes } from "../../diagnostics/index.js";
import { fail } from "../failure.js";
import type { RewardFunction, RewardInput, RewardScore } from "./types.js";

/**
 * Runs a program for each answer, never through a shell: `{"prompt", "completion", "answer"}` as one line of JSON on its
 * input, a number as the last line of its output. One that runs too long is killed and counts as 0.
 */
export function commandReward(
  name: string,
  command: readonly string[],
  timeoutSeconds: number,
  root: string,
): RewardFunction {
  const [program = "", ...args] = command;
  if (program === "") fail(runCodes.report("LLMP6501", undefined, { reward: name, why: "it names no command" }));
  const one = async ({ prompt, completion, answer }: RewardInput): Promise<RewardScore> => {
    const { execa } = await import("execa");
    const result = await execa(program, args, {
      cwd: root,
      input: `${JSON.stringify({ prompt, completion, answer })}\n`,
      timeout: Math.max(1, timeoutSeconds * 1000),
      killSignal: "SIGKILL",
      maxBuffer: 1_000_000,
      reject: false,
      stripFinalNewline: true,
    });
    if (result.code === "ENOENT" || result.code === "EACCES")
      fail(runCodes.report("LLMP6501", undefined, { reward: name, why: `cannot run ${program} (${result.code})` }));
    if (result.timedOut) return { value: 0, fault: `${program} took longer than ${timeoutSeconds} s` };
    const said = result.stderr.trim().split("\n").at(-1) ?? "";
    if (result.exitCode !== 0)
      return { value: 0, fault: `${program} ended with ${result.exitCode ?? result.signal}: ${said}` };
    const last = result.stdout.trim().split("\n").at(-1)?.trim() ?? "";
    const value = last === "" ? Number.NaN : Number(last);
    return Number.isFinite(value)
      ? { value }
      : { value: 0, fault: `${program} printed ${JSON.stringify(last)}, not a number` };
  };
  return async (inputs) => {
    const scores: RewardScore[] = new Array(inputs.length);
    let next = 0;
    const worker = async () => {
      for (let i = next++; i < inputs.length; i = next++) scores[i] = await one(inputs[i] as RewardInput);
    };
    await Promise.all(Array.from({ length: Math.min(inputs.length, availableParallelism()) }, worker));
    const [first] = scores;
    if (first?.fault !== undefined && scores.every((s) => s.fault !== undefined))
      fail(runCodes.report("LLMP6501", undefined, { reward: name, why: `no answer could be judged: ${first.fault}` }));
    return scores;
  };
}
