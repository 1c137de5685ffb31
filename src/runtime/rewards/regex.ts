import { createContext, Script } from "node:vm";
import { runCodes } from "../../diagnostics/index.js";
import { fail } from "../failure.js";
import type { RewardFunction } from "./types.js";

/** V8 interrupts a regular expression that backtracks without end when a script's time is up. */
const limitMilliseconds = 100;

/** 1 where `pattern` is found in the completion; the dot matches line ends. Too slow a match counts as none. */
export function regexReward(name: string, pattern: string): RewardFunction {
  try {
    new RegExp(pattern, "su");
  } catch (error) {
    fail(runCodes.report("LLMP6501", undefined, { reward: name, why: (error as Error).message }));
  }
  const scope: { pattern: string; text: string } = { pattern, text: "" };
  const context = createContext(scope);
  new Script("var expression = new RegExp(pattern, 'su')").runInContext(context);
  const script = new Script("expression.test(text)");
  return async (inputs) =>
    inputs.map(({ completion }) => {
      scope.text = completion;
      try {
        return { value: script.runInContext(context, { timeout: limitMilliseconds }) === true ? 1 : 0 };
      } catch {
        return { value: 0, fault: `the pattern took longer than ${limitMilliseconds} ms` };
      }
    });
}
